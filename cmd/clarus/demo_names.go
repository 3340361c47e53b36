package main

// What the made-up hospital draws from. No name is of a real person but by
// chance: surnames are put together from two halves.

var surnameHeads = []string{"Ahlen", "Birken", "Branden", "Buchen", "Dahlen", "Eichen", "Falken", "Felsen", "Gronau", "Hasel",
	"Heiden", "Hollen", "Kalten", "Kessel", "Langen", "Linden", "Marien", "Molken", "Nieder", "Ostern", "Pfaffen", "Reichen",
	"Rosen", "Schwarzen", "Silber", "Steinen", "Tannen", "Ulmen", "Wacker", "Wiesen", "Winter", "Zieren"}

var surnameTails = []string{"acker", "bacher", "beck", "berg", "brink", "dorfer", "feld", "haus", "hofer", "horst", "huber", "kamp",
	"mann", "meier", "moser", "reuter", "rieder", "stedt", "steiner", "thaler", "vogel", "wald", "weiler", "wirth"}

var womens = []string{"Adele", "Anja", "Beate", "Birgit", "Clara", "Dilara", "Elif", "Elisabeth", "Franziska", "Greta", "Hanna",
	"Helene", "Ingrid", "Jana", "Katharina", "Leonie", "Lucía", "Margarethe", "Marie", "Nadia", "Olga", "Paula", "Renate",
	"Sabine", "Sophie", "Theresa", "Ursula", "Yasmin", "Zoë"}

var mens = []string{"Achim", "Alexander", "André", "Bernd", "Can", "Christoph", "Dieter", "Emil", "Friedrich", "Georg", "Hasan",
	"Heinz", "Igor", "Jürgen", "Karl", "Lukas", "Manfred", "Mehmet", "Niklas", "Otto", "Paul", "Rainer", "Sebastian", "Stefan",
	"Tomasz", "Ulrich", "Viktor", "Walter", "Yusuf"}

const doctorsPerWard = 4

var wards = []string{"cardiology", "general medicine", "geriatrics", "gynaecology", "neurology", "oncology", "orthopaedics",
	"paediatrics", "pneumology", "psychiatry", "surgery", "urology"}

// diseases are in the order of their frequency; codes are those of ICD-10.
var diseases = []struct {
	code, title string
	chronic     bool
}{
	{"I10", "Essential hypertension", true}, {"E11.9", "Type 2 diabetes mellitus", true}, {"I50.9", "Heart failure", true},
	{"I48.9", "Atrial fibrillation", true}, {"J44.9", "Chronic obstructive pulmonary disease", true}, {"J18.9", "Pneumonia", false},
	{"N39.0", "Urinary tract infection", false}, {"I25.1", "Coronary artery disease", true}, {"F32.9", "Depressive episode", true},
	{"M17.9", "Osteoarthritis of the knee", true}, {"E78.0", "Hypercholesterolaemia", true}, {"N18.3", "Chronic kidney disease, stage 3", true},
	{"I63.9", "Cerebral infarction", false}, {"S72.0", "Fracture of the neck of femur", false}, {"K80.2", "Gallstones", false},
	{"C50.9", "Malignant neoplasm of the breast", true}, {"G40.9", "Epilepsy", true}, {"J45.9", "Bronchial asthma", true},
	{"K29.7", "Gastritis, unspecified", false}, {"E03.9", "Hypothyroidism", true}, {"M54.5", "Low back pain", false},
	{"C34.9", "Malignant neoplasm of the lung", true}, {"G20", "Parkinson's disease", true}, {"F10.2", "Alcohol dependence", true},
	{"K50.9", "Crohn's disease", true}, {"D50.9", "Iron deficiency anaemia", false}, {"E10.9", "Type 1 diabetes mellitus", true},
	{"B18.2", "Chronic hepatitis C", true}, {"G35", "Multiple sclerosis", true}, {"F20.0", "Paranoid schizophrenia", true},
	{"B20", "HIV disease", true}, {"E84.9", "Cystic fibrosis", true}, {"G12.2", "Motor neuron disease", true},
}

var analytes = []struct {
	name, unit string
	mean       float64
}{
	{"creatinine", "mg/dl", 1.0}, {"glucose", "mg/dl", 108}, {"haemoglobin", "g/dl", 13.4}, {"potassium", "mmol/l", 4.2},
	{"sodium", "mmol/l", 140}, {"leucocytes", "10^9/l", 7.6}, {"CRP", "mg/l", 12}, {"troponin T", "ng/l", 14}, {"HbA1c", "%", 6.1},
}

var drugs = []string{"Amlodipine", "Atorvastatin", "Bisoprolol", "Candesartan", "Ciprofloxacin", "Citalopram", "Enoxaparin",
	"Furosemide", "Ibuprofen", "Levetiracetam", "Levothyroxine", "Metamizole", "Metformin", "Metoprolol", "Morphine",
	"Pantoprazole", "Piperacillin", "Prednisolone", "Ramipril", "Salbutamol", "Torasemide", "Valproate"}

// notes take the surname and the main diagnosis.
var notes = []string{
	"%s was admitted through the emergency room: %s.",
	"Planned admission of %s; known: %s. No allergies.",
	"Referred by the family doctor. %s reports growing weakness. Main finding: %s.",
	"%s, transferred from another hospital for treatment (%s).",
	"Follow-up of %s after discharge last year; now %s, allergic to penicillin.",
}

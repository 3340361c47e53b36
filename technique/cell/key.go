package cell

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/secret"
	"github.com/clarus-project/clarus/technique"
)

const (
	version   = 1
	algorithm = 1 // AES-256-GCM with a random nonce of 96 bits

	commitmentSize = 16
	headerSize     = 2 + 16 + commitmentSize // version, algorithm, epoch, commitment
	sealSize       = 12 + 16                 // nonce, tag

	// Overhead is what a cell costs beyond the padded value.
	Overhead = headerSize + sealSize + lenSize

	// maxValue is the longest value; PostgreSQL's own limit for a bytea is 2^30 - 1.
	maxValue = 7 << 27

	labelFormat  = "clarus/cell/1"
	labelEncrypt = "clarus/cell/1/encrypt"
	labelCommit  = "clarus/cell/1/commit"
)

// A key is everything that the cells of one attribute and epoch have in common.
type key struct {
	aead   cipher.AEAD
	header []byte // headerSize bytes, the same in every cell
	bound  []byte // associated data; the last 16 bytes are the row identity's place
}

func newKey(p technique.Params, epoch secret.Epoch, from secret.Bytes) (*key, error) {
	encrypt, err := hkdf.Expand(sha256.New, from.Reveal(), labelEncrypt, 32)
	if err != nil {
		return nil, failed(err)
	}
	commitment, err := hkdf.Expand(sha256.New, from.Reveal(), labelCommit, commitmentSize)
	if err != nil {
		return nil, failed(err)
	}
	block, err := aes.NewCipher(encrypt)
	if err != nil {
		return nil, failed(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, failed(err)
	}
	return &key{
		aead:   aead,
		header: bytes.Join([][]byte{{version, algorithm}, epoch[:], commitment}, nil),
		bound: secret.Fields([]byte(labelFormat), p.Deployment[:],
			binary.BigEndian.AppendUint64(nil, uint64(p.Attribute.Dataset)),
			binary.BigEndian.AppendUint32(nil, p.Attribute.Attribute),
			[]byte{algorithm}, epoch[:], make([]byte, len(clarus.RowID{}))),
	}, nil
}

func failed(err error) error {
	return &clarus.Error{Op: "seal", Kind: clarus.Internal, Msg: "the cell's cipher cannot be set up", Err: err}
}

// bind writes the associated data for a row into scratch and returns it.
func (k *key) bind(scratch []byte, row clarus.RowID) []byte {
	scratch = append(scratch[:0], k.bound...)
	copy(scratch[len(scratch)-len(row):], row[:])
	return scratch
}

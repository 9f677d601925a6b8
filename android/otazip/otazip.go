// Package otazip reads, writes, signs and verifies Android OTA zips for A/B
// devices: the zip that carries payload.bin to update_engine.
//
// It knows the container alone: where entries lie, what META-INF says about
// them, and the whole-file signature that recovery checks. It neither reads nor
// makes payloads (android/payload), and it does not decide whether a phone
// should take a package.
//
// The container is described by AOSP's build/make/tools/releasetools
// (ota_metadata.proto, ota_utils.py) and by bootable/recovery's verifier: a zip
// whose comment ends in a detached CMS signature and a six-byte footer, which
// covers the file up to the comment's length.
//
// A zip of ours has its small entries first and payload.bin last, so that a
// streaming client learns all it needs from the first blocks, and the same
// contents and key give the same bytes.
package otazip

import "io"

// Names of the entries that matter to an updater.
const (
	NameMetadata   = "META-INF/com/android/metadata"
	NameMetadataPB = "META-INF/com/android/metadata.pb"
	NameOTACert    = "META-INF/com/android/otacert"
	NamePayload    = "payload.bin"
	NameProperties = "payload_properties.txt"
	NameCareMap    = "care_map.pb"
)

// Names of the two property-files entries of the metadata.
const (
	PropertyFiles          = "ota-property-files"
	StreamingPropertyFiles = "ota-streaming-property-files"
)

// Metadata is what META-INF/com/android/metadata says of a package.
type Metadata struct {
	OTAType              string            `json:"ota_type"` // "AB", "BLOCK" or "BRICK"
	PreDevice            []string          `json:"pre_device"`
	PreBuild             string            `json:"pre_build,omitempty"`             // fingerprint; empty: a full package
	PreBuildIncremental  string            `json:"pre_build_incremental,omitempty"` // empty: a full package
	PostBuild            string            `json:"post_build"`
	PostBuildIncremental string            `json:"post_build_incremental"`
	PostTimestamp        int64             `json:"post_timestamp"` // seconds since 1970
	PostSecurityPatch    string            `json:"post_security_patch,omitempty"`
	PostSDKLevel         string            `json:"post_sdk_level,omitempty"`
	RequiredCache        int64             `json:"required_cache,omitempty"`
	Wipe                 bool              `json:"wipe,omitempty"`
	Downgrade            bool              `json:"downgrade,omitempty"`
	SPLDowngrade         bool              `json:"spl_downgrade,omitempty"`
	PropertyFiles        map[string]string `json:"property_files,omitempty"` // computed by Write
}

// Contents is what Write puts into a package.
type Contents struct {
	Metadata Metadata // OTAType empty means "AB"; PropertyFiles is computed
	// Payload writes payload.bin and returns the text of payload_properties.txt.
	Payload func(w io.Writer) (properties string, err error)
	CareMap []byte            // care_map.pb; nil: none
	Extra   map[string][]byte // further entries, stored
}

// File is where a package is written: an empty *os.File, or a writer of blobs.
type File interface {
	io.ReaderAt
	io.WriterAt
}

// Info says what Write has written.
type Info struct {
	Size          int64
	SHA256        [32]byte // of the whole file
	PayloadOffset int64
	PayloadSize   int64
	Properties    string // payload_properties.txt
	PropertyFiles string // ota-property-files, without padding
}

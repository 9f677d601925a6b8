package otazip

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/fridayos/friday/android/otazip/internal/pb"
)

// Keys of the text form, as AOSP's ota_utils.py writes them.
const (
	keyOTAType      = "ota-type"
	keyWipe         = "ota-wipe"
	keyDowngrade    = "ota-downgrade"
	keySPLDowngrade = "spl-downgrade"
	keyCache        = "ota-required-cache"
	keyPreDevice    = "pre-device"
	keyPreBuild     = "pre-build"
	keyPreIncr      = "pre-build-incremental"
	keyPostBuild    = "post-build"
	keyPostIncr     = "post-build-incremental"
	keyTimestamp    = "post-timestamp"
	keySDK          = "post-sdk-level"
	keyPatch        = "post-security-patch-level"
)

// Text is META-INF/com/android/metadata: one key=value a line, keys sorted.
func (m Metadata) Text() string {
	fields := map[string]string{
		keyOTAType:   m.OTAType,
		keyPreDevice: strings.Join(m.PreDevice, "|"),
		keyPreBuild:  m.PreBuild,
		keyPreIncr:   m.PreBuildIncremental,
		keyPostBuild: m.PostBuild,
		keyPostIncr:  m.PostBuildIncremental,
		keySDK:       m.PostSDKLevel,
		keyPatch:     m.PostSecurityPatch,
		keyTimestamp: strconv.FormatInt(m.PostTimestamp, 10),
	}
	for key, set := range map[string]bool{keyWipe: m.Wipe, keyDowngrade: m.Downgrade, keySPLDowngrade: m.SPLDowngrade} {
		if set {
			fields[key] = "yes"
		}
	}
	if m.RequiredCache != 0 || m.OTAType != "AB" {
		fields[keyCache] = strconv.FormatInt(m.RequiredCache, 10)
	}
	for name, value := range m.PropertyFiles {
		fields[name] = value
	}
	lines := make([]string, 0, len(fields))
	for key, value := range fields {
		if value != "" {
			lines = append(lines, key+"="+value+"\n")
		}
	}
	// '=' sorts behind '-', so whole lines would not sort as their keys do.
	slices.SortFunc(lines, func(a, b string) int {
		ka, _, _ := strings.Cut(a, "=")
		kb, _, _ := strings.Cut(b, "=")
		return strings.Compare(ka, kb)
	})
	return strings.Join(lines, "")
}

// ParseMetadata reads META-INF/com/android/metadata. Keys that it does not know
// are left out; vendors add some.
func ParseMetadata(text string) (Metadata, error) {
	var m Metadata
	seen := map[string]bool{}
	line := 0
	for l := range strings.Lines(text) {
		line++
		l = strings.TrimRight(l, "\r\n")
		if strings.TrimSpace(l) == "" {
			continue
		}
		key, value, ok := strings.Cut(l, "=")
		if !ok {
			return Metadata{}, fmt.Errorf("cannot read metadata: line %d: found %.60q, expected key=value", line, l)
		}
		if seen[key] {
			return Metadata{}, fmt.Errorf("cannot read metadata: line %d: %.60q is there twice", line, key)
		}
		seen[key] = true
		if err := m.set(key, value); err != nil {
			return Metadata{}, fmt.Errorf("cannot read metadata: line %d: %w", line, err)
		}
	}
	return m, nil
}

func (m *Metadata) set(key, value string) error {
	var err error
	switch key {
	case keyOTAType:
		m.OTAType = value
	case keyPreDevice:
		m.PreDevice = strings.Split(value, "|")
	case keyPreBuild:
		m.PreBuild = value
	case keyPreIncr:
		m.PreBuildIncremental = value
	case keyPostBuild:
		m.PostBuild = value
	case keyPostIncr:
		m.PostBuildIncremental = value
	case keySDK:
		m.PostSDKLevel = value
	case keyPatch:
		m.PostSecurityPatch = value
	case keyTimestamp:
		m.PostTimestamp, err = number(key, value)
	case keyCache:
		m.RequiredCache, err = number(key, value)
	case keyWipe:
		m.Wipe, err = yes(key, value)
	case keyDowngrade:
		m.Downgrade, err = yes(key, value)
	case keySPLDowngrade:
		m.SPLDowngrade, err = yes(key, value)
	default:
		if strings.HasSuffix(key, "property-files") {
			if m.PropertyFiles == nil {
				m.PropertyFiles = map[string]string{}
			}
			m.PropertyFiles[key] = strings.TrimRight(value, " ")
		}
	}
	return err
}

func number(key, value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s is %.40q, expected a whole number", key, value)
	}
	return n, nil
}

func yes(key, value string) (bool, error) {
	if value != "yes" && value != "no" {
		return false, fmt.Errorf("%s is %.40q, expected yes or no", key, value)
	}
	return value == "yes", nil
}

// Protobuf is META-INF/com/android/metadata.pb.
func (m Metadata) Protobuf() ([]byte, error) {
	msg := &pb.OtaMetadata{
		Type:          pb.OtaMetadata_OtaType(pb.OtaMetadata_OtaType_value[m.OTAType]),
		Wipe:          m.Wipe,
		Downgrade:     m.Downgrade,
		SplDowngrade:  m.SPLDowngrade,
		RequiredCache: m.RequiredCache,
		PropertyFiles: m.PropertyFiles,
		Precondition: &pb.DeviceState{
			Device:           m.PreDevice,
			Build:            split(m.PreBuild),
			BuildIncremental: m.PreBuildIncremental,
		},
		Postcondition: &pb.DeviceState{
			Device:             m.PreDevice,
			Build:              split(m.PostBuild),
			BuildIncremental:   m.PostBuildIncremental,
			Timestamp:          m.PostTimestamp,
			SdkLevel:           m.PostSDKLevel,
			SecurityPatchLevel: m.PostSecurityPatch,
		},
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(msg)
}

// ParseMetadataPB reads META-INF/com/android/metadata.pb.
func ParseMetadataPB(b []byte) (Metadata, error) {
	var msg pb.OtaMetadata
	if err := proto.Unmarshal(b, &msg); err != nil {
		return Metadata{}, fmt.Errorf("cannot read metadata.pb: %w", err)
	}
	name, ok := pb.OtaMetadata_OtaType_name[int32(msg.GetType())]
	if !ok || msg.GetType() == pb.OtaMetadata_UNKNOWN {
		return Metadata{}, fmt.Errorf("cannot read metadata.pb: type is %d, expected 1 (AB), 2 (BLOCK) or 3 (BRICK)", msg.GetType())
	}
	pre, post := msg.GetPrecondition(), msg.GetPostcondition()
	if post.GetTimestamp() < 0 || msg.GetRequiredCache() < 0 {
		return Metadata{}, errors.New("cannot read metadata.pb: timestamp or required_cache is negative")
	}
	m := Metadata{
		OTAType:              name,
		PreDevice:            pre.GetDevice(),
		PreBuild:             strings.Join(pre.GetBuild(), "|"),
		PreBuildIncremental:  pre.GetBuildIncremental(),
		PostBuild:            strings.Join(post.GetBuild(), "|"),
		PostBuildIncremental: post.GetBuildIncremental(),
		PostTimestamp:        post.GetTimestamp(),
		PostSDKLevel:         post.GetSdkLevel(),
		PostSecurityPatch:    post.GetSecurityPatchLevel(),
		RequiredCache:        msg.GetRequiredCache(),
		Wipe:                 msg.GetWipe(),
		Downgrade:            msg.GetDowngrade(),
		SPLDowngrade:         msg.GetSplDowngrade(),
	}
	for name, value := range msg.GetPropertyFiles() {
		if m.PropertyFiles == nil {
			m.PropertyFiles = map[string]string{}
		}
		m.PropertyFiles[name] = strings.TrimRight(value, " ")
	}
	return m, nil
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "|")
}

// check says whether m can be written: every value must survive both forms.
func (m Metadata) check() error {
	if m.OTAType != "AB" {
		return fmt.Errorf("cannot write metadata: ota-type is %q, expected AB", m.OTAType)
	}
	if len(m.PreDevice) == 0 {
		return errors.New("cannot write metadata: no pre-device; without one any phone would take the package")
	}
	if m.PostTimestamp <= 0 {
		return fmt.Errorf("cannot write metadata: post-timestamp is %d, expected seconds since 1970", m.PostTimestamp)
	}
	if (m.PreBuild == "") != (m.PreBuildIncremental == "") {
		return fmt.Errorf("cannot write metadata: pre-build is %q and pre-build-incremental %q; an incremental package needs both, a full one neither", m.PreBuild, m.PreBuildIncremental)
	}
	values := []struct{ key, value string }{
		{keyPreBuild, m.PreBuild}, {keyPreIncr, m.PreBuildIncremental}, {keyPostBuild, m.PostBuild},
		{keyPostIncr, m.PostBuildIncremental}, {keySDK, m.PostSDKLevel}, {keyPatch, m.PostSecurityPatch},
	}
	for _, d := range m.PreDevice {
		if d == "" || strings.Contains(d, "|") {
			return fmt.Errorf("cannot write metadata: %s holds %q, expected codenames", keyPreDevice, d)
		}
		values = append(values, struct{ key, value string }{keyPreDevice, d})
	}
	for _, v := range values {
		if len(v.value) > 4096 || strings.ContainsFunc(v.value, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' }) {
			return fmt.Errorf("cannot write metadata: %s is %.80q, expected text of one line", v.key, v.value)
		}
	}
	return nil
}

// sameMetadata names the first field in which the two forms differ.
func sameMetadata(text, bin Metadata) error {
	fields := []struct {
		key, text, bin string
	}{
		{keyOTAType, text.OTAType, bin.OTAType},
		{keyPreDevice, strings.Join(text.PreDevice, "|"), strings.Join(bin.PreDevice, "|")},
		{keyPreBuild, text.PreBuild, bin.PreBuild},
		{keyPreIncr, text.PreBuildIncremental, bin.PreBuildIncremental},
		{keyPostBuild, text.PostBuild, bin.PostBuild},
		{keyPostIncr, text.PostBuildIncremental, bin.PostBuildIncremental},
		{keyTimestamp, strconv.FormatInt(text.PostTimestamp, 10), strconv.FormatInt(bin.PostTimestamp, 10)},
		{keySDK, text.PostSDKLevel, bin.PostSDKLevel},
		{keyPatch, text.PostSecurityPatch, bin.PostSecurityPatch},
		{keyWipe, strconv.FormatBool(text.Wipe), strconv.FormatBool(bin.Wipe)},
		{keyDowngrade, strconv.FormatBool(text.Downgrade), strconv.FormatBool(bin.Downgrade)},
		{keySPLDowngrade, strconv.FormatBool(text.SPLDowngrade), strconv.FormatBool(bin.SPLDowngrade)},
		{PropertyFiles, text.PropertyFiles[PropertyFiles], bin.PropertyFiles[PropertyFiles]},
		{StreamingPropertyFiles, text.PropertyFiles[StreamingPropertyFiles], bin.PropertyFiles[StreamingPropertyFiles]},
	}
	for _, f := range fields {
		if f.text != f.bin {
			return fmt.Errorf("cannot read metadata: %s is %.100q as text and %.100q in metadata.pb", f.key, f.text, f.bin)
		}
	}
	return nil
}

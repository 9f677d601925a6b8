package quickjson

import (
	"encoding/json"
	"strconv"

	"github.com/fridayos/friday/internal/wire"
)

// AppendReply appends r to b as json.Marshal writes it.
func AppendReply(b []byte, r *wire.CheckInReply) []byte {
	b = append(b, `{"offer":`...)
	if r.Offer == nil {
		b = append(b, "null"...)
	} else {
		b = appendOffer(b, r.Offer)
	}
	if r.Reason != "" {
		b = appendText(append(b, `,"reason":`...), r.Reason)
	}
	if r.Recalled {
		b = append(b, `,"recalled":true`...)
	}
	b = strconv.AppendInt(append(b, `,"next_check":`...), r.NextCheck, 10)
	if r.Ticket != "" {
		b = appendText(append(b, `,"ticket":`...), r.Ticket)
	}
	return append(b, '}')
}

func appendOffer(b []byte, o *wire.Offer) []byte {
	b = appendText(append(b, `{"release":`...), o.Release)
	b = appendText(append(b, `,"version":`...), o.Version)
	b = appendText(append(b, `,"kind":`...), o.Kind)
	b = appendText(append(b, `,"url":`...), o.URL)
	b = appendText(append(b, `,"sha256":`...), o.SHA256)
	b = strconv.AppendInt(append(b, `,"size":`...), o.Size, 10)
	b = strconv.AppendInt(append(b, `,"payload_offset":`...), o.PayloadOffset, 10)
	b = strconv.AppendInt(append(b, `,"payload_size":`...), o.PayloadSize, 10)
	b = appendText(append(b, `,"payload_properties":`...), o.Properties)
	b = strconv.AppendInt(append(b, `,"timestamp":`...), o.Timestamp, 10)
	b = appendText(append(b, `,"patch_level":`...), o.PatchLevel)
	b = strconv.AppendUint(append(b, `,"rollback_index":`...), o.RollbackIndex, 10)
	if o.Notes != "" {
		b = appendText(append(b, `,"notes":`...), o.Notes)
	}
	if o.NotesURL != "" {
		b = appendText(append(b, `,"notes_url":`...), o.NotesURL)
	}
	b = appendText(append(b, `,"token":`...), o.Token)
	return append(b, '}')
}

// AppendToken appends t to b as json.Marshal writes it.
func AppendToken(b []byte, t *wire.OfferToken) []byte {
	b = appendText(append(b, `{"id":`...), t.ID)
	b = strconv.AppendInt(append(b, `,"rollout":`...), t.Rollout, 10)
	b = appendText(append(b, `,"release":`...), t.Release)
	b = appendText(append(b, `,"device":`...), t.Device)
	b = appendText(append(b, `,"channel":`...), t.Channel)
	b = appendText(append(b, `,"from":`...), t.From)
	b = appendText(append(b, `,"to":`...), t.To)
	if t.Region != "" {
		b = appendText(append(b, `,"region":`...), t.Region)
	}
	b = appendText(append(b, `,"package":`...), t.Package)
	if t.Claim != 0 {
		b = strconv.AppendInt(append(b, `,"claim":`...), t.Claim, 10)
	}
	if t.Handset != 0 {
		b = strconv.AppendUint(append(b, `,"handset":`...), t.Handset, 10)
	}
	b = strconv.AppendInt(append(b, `,"expires":`...), t.Expires, 10)
	return append(b, '}')
}

// appendText appends s with its quotes. What needs escapes is for encoding/json;
// it escapes <, > and & too.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return appendEscaped(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendEscaped(b []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil { // a string always can be written
		panic(err)
	}
	return append(b, text...)
}

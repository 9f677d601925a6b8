package scrub

import "bytes"

// class says what a label's value is and how it is told from harmless ones.
type class byte

const (
	none class = iota
	aPhone
	anIMEI
	anIMSI
	anICCID
	aMAC
	aBSSID
	anSSID
	anIP
	anAccount
	aSecret  // whatever the value is
	aToken   // only what looks like a key: "token" is said of much
	aHeader  // up to the end of the line or the closing quote
	aDegree  // a latitude or a longitude
	aPair    // both
	aCell    // a number, where the line is about a cell
	aContact // a person's name
	aName    // a person's name, where the line is about persons
	aText    // what people wrote
	aFile
	aHost
	aSerial
	aDeviceID
)

// whole labels hold only when nothing stands before them: "number" does, but
// not "frameNumber".
type label struct {
	class class
	whole bool
}

// table maps labels, in lower case and without marks, to what they announce.
var table = func() map[string]label {
	t := map[string]label{}
	put := func(c class, whole bool, names ...string) {
		for _, n := range names {
			t[n] = label{c, whole}
		}
	}
	put(aPhone, false, "phonenumber", "msisdn", "mobilenumber", "dialstring", "dialednumber", "diallednumber", "line1number", "telephone", "callernumber", "callingnumber",
		"callednumber", "incomingnumber", "outgoingnumber", "smsc", "smscaddress", "scaddress", "destaddr", "destinationaddress", "originatingaddress", "displayoriginatingaddress",
		"recipientaddress", "voicemailnumber", "vmnumber", "voicenumber", "normalizednumber", "formattednumber", "contactnumber", "forwardingnumber", "redirectingnumber", "postdialstring",
		"recipientnumber", "sendernumber", "subscribernumber", "mdn", "simnumber", "callbacknumber", "faxnumber", "mobileno", "phoneno", "mobilephone", "homephone", "workphone",
		"cellphone", "cellnumber", "conferenceuri", "remoteaddressnumber", "emergencycontact", "canonicaladdress", "callid number", "e164", "msisdn1", "numbertext", "participantaddress", "whatsappnumber", "ownnumber", "mynumber")
	put(aPhone, true, "number", "phone", "mobile", "tel", "telprompt", "sms", "smsto", "mms", "mmsto", "callto", "sip", "sips", "handle", "dial", "dialing", "caller", "callee", "callerid", "recipient", "recipients",
		"sender", "from", "to", "voicemail", "fax", "cell", "clip", "cnum", "atd", "matchednumber", "num")
	put(anIMEI, false, "imei", "imeisv", "meid", "esn", "deviceimei", "imeinumber", "pseudoesn")
	put(anIMSI, false, "imsi", "subscriberid", "simimsi")
	put(anICCID, false, "iccid", "simserialnumber", "simserial", "ccid", "iccidstring", "simid", "eid", "euiccid")
	put(aMAC, true, "addr", "address", "device")
	put(aMAC, false, "mac", "macaddress", "macaddr", "hwaddr", "hwaddress", "btaddr", "bdaddr", "btaddress", "bluetoothaddress", "btmac", "wifimac", "btmacaddr", "wifimacaddr", "ether", "lladdr")
	put(aBSSID, false, "bssid", "bssidaddr")
	put(anSSID, false, "ssid", "networkname", "wifiname", "apname", "essid", "wifinetwork", "hotspotname", "configkey")
	put(anIP, false, "ipaddress", "ipaddr", "ipv4address", "ipv6address", "dns1", "dns2", "gateway", "dhcpserver", "serveraddress")
	put(anAccount, false, "accountname", "authaccount", "username", "loginname", "userlogin", "screenname", "syncaccount", "selectedaccount", "primaryaccount", "useraccount", "googleaccount", "miaccount", "xiaomiid", "skypeid", "wechatid", "qqnumber", "loginid", "peoplejid", "jid")
	put(anAccount, true, "account", "login", "user")
	put(aSecret, false, "password", "passwd", "passphrase", "presharedkey", "psk", "wpapsk", "saepassword", "wepkey", "accesstoken", "authtoken", "refreshtoken", "idtoken", "oauthtoken", "oauth2token",
		"sessiontoken", "sessionid", "sessionkey", "apikey", "clientsecret", "secretkey", "privatekey", "accesskey", "accesskeyid", "authkey", "bearertoken", "fcmtoken", "gcmtoken", "pushtoken", "registrationtoken",
		"devicetoken", "usertoken", "servicetoken", "csrftoken", "xsrftoken", "linkkey", "encryptionkey", "authcode", "authorizationcode", "jsessionid", "phpsessid", "xauthtoken", "xapikey", "logintoken",
		"passtoken", "otp", "onetimepassword", "verificationcode", "puk", "puk1", "puk2", "simpin", "pin1", "pin2", "cpin", "ltk", "irk", "csrk", "credential", "usersecret", "appsecret", "sharedsecret", "hotspotpassword", "wifipassword", "passcode", "regid", "registrationid", "jwt", "secrettoken")
	put(aSecret, true, "pwd", "secret", "bearer")
	put(aToken, false, "token", "signature", "sig", "nonce", "sid", "session", "ticket", "assertion", "cookie")
	put(aToken, true, "auth", "key", "code", "pass")
	put(aHeader, false, "authorization", "proxyauthorization", "setcookie", "cookieheader", "xgoogauthorization")
	put(aHeader, true, "cookie", "cookies")
	put(aDegree, false, "latitude", "longitude", "latitudedegrees", "longitudedegrees", "latitudee7", "longitudee7", "late7", "lnge7", "lone7", "latitudee6", "longitudee6", "lastlat", "lastlng", "lastlon", "baselat", "baselng", "gpslatitude", "gpslongitude", "latdeg", "londeg", "latdegrees", "lngdegrees", "londegrees", "latitudedeg", "longitudedeg")
	put(aDegree, true, "lat", "lng", "lon", "long")
	put(aPair, false, "latlng", "latlon", "lastlocation", "coordinates", "coords", "geopoint", "geopos", "latlong", "currentlocation", "homelocation", "worklocation", "lastknownlocation")
	put(aPair, true, "ll", "q", "daddr", "saddr", "center", "geo", "position", "location", "point", "loc", "sll", "cbll")
	put(aCell, false, "ci", "cid", "lac", "tac", "nci", "eci", "cellid", "basestationid", "networkid", "systemid", "cellidentity", "longcid", "ecgi")
	put(aContact, false, "displayname", "contactname", "callername", "cnapname", "cnap", "givenname", "familyname", "firstname", "lastname", "middlename", "fullname", "realname", "nickname", "sendername", "fromname",
		"recipientname", "persondisplayname", "conversationtitle", "selfdisplayname", "cachedname", "participantname", "attendeename", "organizer", "profilename", "ownername", "peername", "phoneticname", "displaynamealt", "callerdisplayname", "contactdisplayname", "lookupname", "displaynameprimary", "lookupkey", "displaynamealternative", "sortkey", "usernameforcontact", "personname", "customername", "cardholder", "buddyname", "friendname", "eventtitle", "eventlocation", "chatname", "groupsubject", "pushname")
	put(aName, true, "name", "n", "fn", "contact", "caller name", "from", "sender", "recipient", "participant", "person", "remotename")
	put(aText, false, "messagebody", "smsbody", "msgbody", "tickertext", "androidtext", "androidtitle", "androidbigtext", "androidsubtext", "androidsummarytext", "androidinfotext", "androidtitlebig", "androidmessages", "androidtextlines", "contenttitle", "contenttext", "messagetext", "clipboardtext", "cliptext", "searchquery", "smstext", "notificationtitle", "notificationtext", "androidconversationtitle", "androidhiddenconversationtitle", "composingtext", "plaintext", "mailsubject")
	put(aText, true, "text", "body", "ticker", "subject", "snippet")
	put(aFile, true, "title")
	put(aFile, false, "_displayname", "mediatitle", "relativepath", "bucketdisplayname")
	put(aHost, false, "hostname", "bluetoothname", "btname", "devicename", "adaptername", "remotename", "remotedevicename", "localname", "dhcphostname", "clientname", "p2pdevicename", "wifip2pdevicename", "wfddevicename", "domainname", "searchdomain", "searchdomains", "peerdevicename", "lastsyncedname", "devicealias", "synceddevicename", "nethostname", "deviceowner")
	put(aHost, true, "domains", "domain")
	put(aSerial, false, "serialno", "serialnumber", "serialnum", "deviceserial", "hardwareserial", "hwserial", "boardserial")
	put(aSerial, true, "serial")
	put(aDeviceID, false, "androidid", "ssaid", "gaiaid", "advertisingid", "adid", "gaid", "idfa", "oaid", "vaid", "aaid", "gsfid", "deviceuniqueid", "uniquedeviceid", "udid", "installationid", "instanceid", "firebaseinstanceid", "deviceid", "clientid", "googleadid", "advertid", "openudid", "imid", "uniquepsuedoid", "gsfandroidid", "drmdeviceid", "widevineid")
	return t
}()

// sizes are, by the first byte, the lengths of the labels in table, as bits: most words
// have none and need not be looked up.
var sizes = func() (t [256]uint64) {
	for name := range table {
		t[name[0]] |= 1 << min(len(name), 63)
	}
	return t
}()

// lookup finds a label in table.
func lookup(name []byte) (label, bool) {
	if len(name) == 0 || sizes[name[0]]>>min(len(name), 63)&1 == 0 {
		return label{}, false
	}
	l, ok := table[string(name)]
	return l, ok
}

// word is an identifier in the line and the pieces that it is made of.
type word struct {
	from, to int
	norm     [64]byte // lower case, without marks
	n        int
	starts   [12]uint8 // of its pieces, in norm
	pieces   int
}

// read reads the identifier at i; false when it is too long to be a label.
func (w *word) read(b []byte, i int) bool {
	w.from, w.n, w.pieces = i, 0, 0
	fresh := true
	for ; i < len(b); i++ {
		c := b[i]
		if c == '_' || c == '.' && letter(at(b, i+1)) || c == '-' && alnum(at(b, i+1)) {
			fresh = true
			if w.n > 0 || c != '_' {
				continue
			}
			continue
		}
		if !alnum(c) {
			break
		}
		if c >= 'A' && c <= 'Z' && w.n > 0 && (b[i-1] >= 'a' && b[i-1] <= 'z' || at(b, i+1) >= 'a' && at(b, i+1) <= 'z' && b[i-1] >= 'A' && b[i-1] <= 'Z') {
			fresh = true
		}
		if w.n == len(w.norm) {
			for i < len(b) && (alnum(b[i]) || b[i] == '_') {
				i++
			}
			w.to = i
			return false
		}
		if fresh && w.pieces < len(w.starts) {
			w.starts[w.pieces] = uint8(w.n)
			w.pieces++
		}
		fresh = false
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		w.norm[w.n] = c
		w.n++
	}
	w.to = i
	return w.n > 0
}

// wordEnd is where the identifier at i ends, as read finds it; false when it is too
// long to be a label.
func wordEnd(b []byte, i int) (to int, ok bool) {
	n := 0
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case alnum(c):
			if n++; n > len(word{}.norm) {
				for i < len(b) && (alnum(b[i]) || b[i] == '_') {
					i++
				}
				return i, false
			}
		case c == '_' || c == '.' && letter(at(b, i+1)) || c == '-' && alnum(at(b, i+1)):
		default:
			return i, true
		}
	}
	return i, true
}

// find looks the word up, the longest ending first; a number behind it (imei2)
// is left out.
func (w *word) find() class {
	end := w.n
	for end > 1 && digit(w.norm[end-1]) {
		end--
	}
	if w.n-end > 1 {
		end = w.n
	}
	for _, e := range [2]int{w.n, end} {
		for p := range w.pieces {
			from := int(w.starts[p])
			if from >= e {
				break
			}
			l, ok := lookup(w.norm[from:e])
			if ok && (!l.whole || p == 0 || p == 1 && w.norm[0] == 'm' && w.starts[1] == 1) {
				return l.class
			}
		}
		if end == w.n {
			break
		}
	}
	// Properties say which SIM or which part behind the name: ril.iccid.sim1.
	if w.pieces > 1 && w.n < 40 {
		for p := w.pieces - 1; p > 0; p-- {
			e := int(w.starts[p])
			for q := range p {
				switch l, _ := lookup(w.norm[w.starts[q]:e]); l.class {
				case anIMEI, anIMSI, anICCID:
					return l.class
				}
			}
		}
	}
	return none
}

// labels finds values by the labels before them.
func (s *Scrubber) labels() {
	b := s.b
	var w word
	for i := s.from; i < len(b); {
		if c := b[i]; !letter(c) && c != '_' {
			i++
			continue
		}
		from := i
		to, ok := wordEnd(b, i)
		i = max(to, i+1)
		if !ok {
			continue
		}
		value, _ := s.separator(to)
		if value < 0 && !(at(b, to) == ' ' && (at(b, to+1) == '"' || at(b, to+1) == '\'')) {
			continue // most words are no labels
		}
		if !w.read(b, from) {
			continue
		}
		if value < 0 {
			if q := at(b, w.to+1); at(b, w.to) == ' ' && (q == '"' || q == '\'') { // host-name "x"
				switch c := w.find(); c {
				case anAccount, aSecret, aContact, aHost, aSerial, aDeviceID:
					i = max(i, s.labelled(c, &w, w.to+1))
				}
			}
			continue
		}
		c := none
		c = s.twoWords(&w)
		if c == none {
			c = w.find()
		}
		if s.told(value) {
			switch q := at(b, value); {
			case q == '"' || q == '\'':
			case c == aPhone || c == anIMEI || c == anIMSI || c == anICCID || c == aMAC || c == aBSSID || c == aPair || c == aSerial || c == aDeviceID || c == aSecret && hasDigit(b[value:min(len(b), value+8)]):
			default:
				c = none
			}
		}
		if string(w.norm[:w.n]) == "name" {
			if end := s.named(value); end > value {
				i = end
				continue
			}
		}
		if c == none {
			continue
		}
		if c == aContact && b[w.from] == '_' { // _display_name is a file's
			c = aFile
		}
		if end := s.labelled(c, &w, value); end > i {
			i = end
		}
	}
}

// separator returns where the value behind a label begins, -1 if there is none:
// key=value, key: value, "key":"value", [key]: [value], key -> value,
// key=String (value). spaced tells of a colon, as behind labels of several words.
func (s *Scrubber) separator(i int) (value int, spaced bool) {
	b := s.b
	if c := at(b, i); c == '\\' && (at(b, i+1) == '"' || at(b, i+1) == '\'') {
		i += 2
	} else if c == '"' || c == '\'' || c == ']' || c == ')' {
		i++
	}
	if at(b, i) == '(' && at(b, i+1) == ')' { // getLine1Number() = …
		i += 2
	}
	for n := 0; n < 3 && (at(b, i) == ' ' || at(b, i) == '\t'); n++ {
		i++
	}
	switch c := at(b, i); {
	case i > 0 && b[i-1] == ' ' && (c == 'i' || c == 'w' || c == 'r'):
		for _, verb := range verbs {
			if bytes.HasPrefix(b[i:], verb) {
				return i + len(verb), true
			}
		}
		return -1, false
	case c == '=' || c == ':':
		spaced = c == ':'
		i++
		if at(b, i) == '>' || at(b, i) == '=' {
			i++
		}
	case c == '-' && at(b, i+1) == '>':
		i += 2
	case c == '%' && i+2 < len(b) && b[i+1] == '3' && (b[i+2]|0x20 == 'd' || b[i+2]|0x20 == 'a'):
		i += 3
	case c == '>' && i > 0 && b[i-1] == '"': // <string name="key">value
		i++
	default:
		return -1, false
	}
	for n := 0; n < 16 && (at(b, i) == ' ' || at(b, i) == '\t'); n++ {
		i++
	}
	return i, spaced
}

// verbs stand between a label and its value in a sentence.
var verbs = words("is ", "was ", "returned ", "returns ", "is: ", "is now ")

// told tells whether the value at i stands behind a verb: then only what has a
// shape of its own, or quotes, is believed to be a value.
func (s *Scrubber) told(i int) bool {
	return i > 1 && letter(s.b[i-2]) && s.b[i-1] == ' '
}

// twoWords joins the label with the word before it: "Phone number: 1".
func (s *Scrubber) twoWords(w *word) class {
	end := w.from
	if end == 0 || s.b[end-1] != ' ' && s.b[end-1] != '-' {
		return none
	}
	from := end - 1
	for from > s.from && end-from < 24 && letter(s.b[from-1]) {
		from--
	}
	if from == end-1 {
		return none
	}
	if n := end - 1 - from + w.n; sizes[s.low[from]]>>min(n, 63)&1 == 0 {
		return none
	}
	joined := make([]byte, 0, 64)
	joined = append(joined, s.low[from:end-1]...)
	joined = append(joined, w.norm[:w.n]...)
	if l, ok := lookup(joined); ok {
		return l.class
	}
	return none
}

// named reads name and value apart, as settings and preferences are printed:
// name:android_id pkg:android value:9774d56d682e549c, <string name="x">v</string>.
func (s *Scrubber) named(value int) int {
	i := value
	if at(s.b, i) == '"' || at(s.b, i) == '\'' {
		i++
	}
	var w word
	if i >= len(s.b) || !letter(s.b[i]) || !w.read(s.b, i) {
		return value
	}
	c := w.find()
	if c == none {
		return value
	}
	if v, _ := s.separator(w.to); v >= 0 && s.b[v-1] == '>' {
		return s.labelled(c, &w, v)
	}
	window := s.low[w.to:min(len(s.low), w.to+160)]
	k := bytes.Index(window, []byte("value"))
	if k < 0 {
		return value
	}
	if v, _ := s.separator(w.to + k + len("value")); v >= 0 {
		return s.labelled(c, &w, v)
	}
	return value
}

// value measures the value at i: within its quotes or brackets, or up to what
// ends a field. A free value may hold blanks, a text colons too.
func (s *Scrubber) value(i int, free, text bool) (from, to, end int) {
	b := s.b
	const longest = 1024
	limit := min(len(b), i+longest)
	equals := text && at(b, i-1) == '=' // then a colon behind a word is the text's own
	// Bundles print the class of a value: key=String (value)
	if k := bytes.IndexByte(b[i:min(limit, i+32)], '('); k > 0 && b[i+k-1] == ' ' && onlyLetters(b[i:i+k-1]) && (bytes.HasSuffix(b[i:i+k-1], []byte("String")) || bytes.HasSuffix(b[i:i+k-1], []byte("CharSequence"))) {
		i += k + 1
		if n := closing(b[i:limit], '(', ')'); n >= 0 {
			return i, i + n, i + n
		}
	}
	switch c := at(b, i); {
	case c == '\\' && (at(b, i+1) == '"' || at(b, i+1) == '\''):
		i += 2
		if n := bytes.IndexByte(b[i:limit], '\\'); n >= 0 {
			return i, i + n, i + n
		}
	case c == '"' || c == '\'':
		i++
		for n := i; n < limit; n++ {
			if b[n] == '\\' {
				n++
			} else if b[n] == c {
				return i, n, n
			}
		}
	case c == '[':
		if n := closing(b[i+1:limit], '[', ']'); n >= 0 {
			return i + 1, i + 1 + n, i + 1 + n
		}
	case c == '(' || c == '{':
		i++
	}
	to = i
	for ; to < limit; to++ {
		c := b[to]
		if c == ',' || c == ';' || c == '}' || c == ']' || c == ')' || c == '\t' || c == '|' || c == '&' || c == '"' || c == '<' && to > i || c == '\\' && (at(b, to+1) == '"' || at(b, to+1) == 'n') {
			break
		}
		if c != ' ' {
			continue
		}
		if !free || at(b, to+1) == ' ' || nextLabel(b[to+1:min(len(b), to+40)], equals) {
			break
		}
	}
	return i, to, to
}

func onlyLetters(b []byte) bool {
	for _, c := range b {
		if !letter(c) {
			return false
		}
	}
	return true
}

// closing finds the bracket that closes one opened before b.
func closing(b []byte, open, shut byte) int {
	depth := 0
	for i, c := range b {
		switch c {
		case open:
			depth++
		case shut:
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}

// nextLabel tells whether b begins with a label and its sign: "type=", "mac:".
func nextLabel(b []byte, equals bool) bool {
	n := 0
	for n < len(b) && (alnum(b[n]) || b[n] == '_' || b[n] == '.') {
		n++
	}
	return n > 0 && n < len(b) && (b[n] == '=' || b[n] == ':' && !digit(b[0]) && !equals)
}

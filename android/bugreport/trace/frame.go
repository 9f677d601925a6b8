package trace

import (
	"path"
	"strings"
)

// JavaFrame normalises a frame as Throwable prints it, without "at ":
// com.foo.Bar$1.run(Bar.java:12) becomes com.foo.Bar$.run; ok is false when it
// is no frame.
func JavaFrame(s string) (frame string, ok bool) {
	s = strings.TrimSpace(s)
	paren := strings.IndexByte(s, '(')
	if paren <= 0 || !strings.Contains(s[paren:], ")") {
		return "", false
	}
	name := s[:paren]
	if len(name) > 512 || strings.ContainsAny(name, " \t") || !strings.Contains(name, ".") {
		return "", false
	}
	if i := strings.LastIndexByte(name, '/'); i >= 0 { // a loader's or a module's name; a hidden class
		if before := name[:i]; strings.Contains(before, "$$Lambda") {
			name = before + name[strings.LastIndexByte(name, '.'):]
		} else {
			name = name[i+1:]
		}
	}
	if !strings.Contains(name, ".") {
		return "", false
	}
	return withoutNumbers(name), true
}

// withoutNumbers takes out what the compiler counts: Foo$1, lambda$run$0,
// ExternalSyntheticLambda3, -$$Lambda$Foo$abcXYZ, access$100, $Proxy12,
// GeneratedMethodAccessor7, invoke-IoAF18A.
func withoutNumbers(name string) string {
	dot := strings.LastIndexByte(name, '.')
	class, method := name[:dot], name[dot+1:]
	if i := strings.Index(class, "$$Lambda$"); i >= 0 {
		// -$$Lambda$Foo$<a hash of its code>: Foo says where.
		rest := class[i+len("$$Lambda$"):]
		if j := strings.LastIndexByte(rest, '$'); j > 0 {
			rest = rest[:j]
		} else {
			rest = strings.TrimRight(rest, "0123456789")
		}
		class = class[:i] + "$$Lambda$" + rest
	}
	for _, counted := range [...]string{"SyntheticLambda", "SyntheticBackport", "SyntheticAPIConversion", "SyntheticThrowIAE", "SyntheticOutline", "InternalSyntheticLambda", "GeneratedMethodAccessor", "GeneratedConstructorAccessor", "$Proxy"} {
		if i := strings.LastIndex(class, counted); i >= 0 {
			if tail := class[i+len(counted):]; strings.Trim(tail, "0123456789$abcdef") == "" {
				class = class[:i+len(counted)]
			}
		}
	}
	parts := strings.Split(class, "$")
	for i, p := range parts {
		if i > 0 && strings.Trim(p, "0123456789") == "" {
			parts[i] = ""
		}
	}
	class = strings.Join(parts, "$")
	switch {
	case strings.HasPrefix(method, "lambda$"):
		method = trimNumber(method)
	case strings.HasPrefix(method, "$r8$lambda$"):
		method = "$r8$lambda$"
	case strings.HasPrefix(method, "access$"):
		method = "access$"
	case strings.Contains(method, "$lambda$"), strings.Contains(method, "$lambda-"):
		method = strings.TrimRight(method, "0123456789")
	default:
		// Kotlin adds a hash of the parameters where inline classes are among them.
		if i := strings.LastIndexByte(method, '-'); i > 0 && len(method)-i == 8 {
			method = method[:i]
		}
	}
	return class + "." + method
}

// trimNumber cuts "$12" and "$12$Foo" off.
func trimNumber(s string) string {
	for {
		i := strings.LastIndexByte(s, '$')
		if i <= 0 || strings.Trim(s[i+1:], "0123456789abcdef") != "" || i+1 < len(s) && !strings.ContainsAny(s[i+1:], "0123456789") {
			return s
		}
		s = s[:i]
	}
}

// NativeFrame normalises a line of a native backtrace:
// #01 pc 0000000000049c94  /apex/…/libc.so (abort+164) (BuildId: …) becomes
// libc.so!abort; ok is false when it is no frame.
func NativeFrame(s string) (frame string, ok bool) {
	s = strings.TrimSpace(s)
	s = strings.TrimPrefix(s, "native: ")
	if len(s) < 8 || s[0] != '#' || s[1] < '0' || s[1] > '9' {
		return "", false
	}
	_, rest, ok := strings.Cut(s, " pc ")
	if !ok {
		return "", false
	}
	_, rest, ok = strings.Cut(strings.TrimSpace(rest), " ")
	if !ok {
		return "?", true
	}
	rest = strings.TrimSpace(rest)
	if i := strings.LastIndex(rest, " (BuildId: "); i >= 0 {
		rest = rest[:i]
	}
	file, function := rest, ""
	if i := functionAt(rest); i >= 0 {
		file, function = strings.TrimSpace(rest[:i]), rest[i+2:len(rest)-1]
	}
	if i := strings.Index(file, " (offset "); i >= 0 {
		file = file[:i]
	}
	file = library(strings.TrimSuffix(strings.TrimSpace(file), " (deleted)"))
	if function = nativeName(function); function == "" {
		return file, true
	}
	return file + "!" + function, true
}

// functionAt finds the parenthesis with the function at the end: names of C++
// hold parentheses of their own.
func functionAt(s string) int {
	if !strings.HasSuffix(s, ")") {
		return -1
	}
	depth := 0
	for i := len(s) - 1; i > 0; i-- {
		switch s[i] {
		case ')':
			depth++
		case '(':
			if depth--; depth == 0 {
				if s[i-1] != ' ' || strings.HasPrefix(s[i:], "(offset ") || strings.HasPrefix(s[i:], "(deleted)") {
					return -1
				}
				return i - 1
			}
		}
	}
	return -1
}

// library keeps the file's name of a path, of one within an APK the library's.
func library(file string) string {
	switch {
	case file == "":
		return "?"
	case strings.HasPrefix(file, "<anonymous"), strings.HasPrefix(file, "["), strings.HasPrefix(file, "anon_inode"), strings.Contains(file, "jit-code-cache"), strings.Contains(file, "jit-cache"):
		return "anonymous"
	}
	if i := strings.LastIndexByte(file, '!'); i >= 0 && i+1 < len(file) {
		file = file[i+1:]
	}
	return path.Base(file)
}

// nativeName cuts what changes with each compilation off a function's name.
func nativeName(f string) string {
	if i := strings.LastIndexByte(f, '+'); i > 0 && strings.Trim(f[i+1:], "0123456789abcdefx") == "" {
		f = f[:i]
	}
	for _, mark := range [...]string{" [clone", ".llvm.", ".cfi", ".isra.", ".constprop.", ".part.", ".cold", ".__uniq."} {
		if i := strings.Index(f, mark); i > 0 {
			f = f[:i]
		}
	}
	// Lambdas are counted: {lambda(int)#2}, $_0.
	for _, mark := range [...]string{"#", "$_"} {
		var b strings.Builder
		for rest := f; ; {
			i := strings.Index(rest, mark)
			if i < 0 {
				b.WriteString(rest)
				break
			}
			b.WriteString(rest[:i+len(mark)])
			rest = strings.TrimLeft(rest[i+len(mark):], "0123456789")
		}
		f = b.String()
	}
	return strings.TrimSpace(f)
}

// crashing tells of the machinery through which every native crash of a sort
// goes: it says nothing about this one.
func crashing(frame string) bool {
	lib, f, _ := strings.Cut(frame, "!")
	switch lib {
	case "libc.so", "libc.so.6":
		switch f {
		case "abort", "raise", "tgkill", "pthread_kill", "__libc_fatal", "__fortify_fatal", "__stack_chk_fail", "__assert2", "__assert", "kill", "gsignal", "__libc_fatal_no_abort", "__internal_abort":
			return true
		}
	case "libart.so":
		return strings.HasPrefix(f, "art::Runtime::Abort") || strings.HasPrefix(f, "_ZN3art7Runtime5Abort")
	case "liblog.so":
		return f == "__android_log_assert" || f == "__android_log_default_aborter"
	case "libbase.so", "libart-compiler.so":
		return strings.Contains(f, "LogMessage") || strings.Contains(f, "DefaultAborter") || strings.Contains(f, "SetAborter")
	}
	return strings.Contains(f, "android::base::LogMessage::~LogMessage") || strings.Contains(f, "SetAborter")
}

// KernelFrame normalises a frame of a kernel's stack:
// [<ffffff80080a1b2c>] do_page_fault+0x2ac/0x484 [module] becomes do_page_fault.
func KernelFrame(s string) (frame string, ok bool) {
	s = strings.TrimSpace(s)
	for strings.HasPrefix(s, "[<") { // addresses
		_, rest, ok := strings.Cut(s, ">]")
		if !ok {
			return "", false
		}
		s = strings.TrimSpace(rest)
	}
	s = strings.TrimPrefix(s, "? ")
	if strings.HasPrefix(s, "(") { // ARM: [<addr>] (name) from [<addr>] (caller+0x1/0x2)
		end := strings.IndexByte(s, ')')
		if end < 0 {
			return "", false
		}
		s = s[1:end]
		if !strings.Contains(s, "+0x") && kernelName(s) {
			return s, true
		}
	}
	name, rest, ok := strings.Cut(s, "+0x")
	if !ok || !strings.Contains(rest, "/0x") || !kernelName(name) {
		return "", false
	}
	return nativeName(name), true
}

func kernelName(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c|0x20 >= 'a' && c|0x20 <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '.' && c != '$' && c != '-' {
			return false
		}
	}
	return true
}

// dying are the kernel's functions through which every panic goes.
func dying(f string) bool {
	switch f {
	case "panic", "dump_stack", "dump_backtrace", "show_stack", "die", "bug_handler", "__die", "oops_end", "die_kernel_fault", "__do_kernel_fault", "do_page_fault", "do_mem_abort", "do_translation_fault", "el1_da", "el1_sync", "el1_abort", "el1_sync_handler", "el1h_64_sync", "el1h_64_sync_handler", "brk_handler", "do_debug_exception", "el1_dbg", "call_break_hook", "unwind_backtrace", "__dump_stack", "dump_stack_lvl", "warn_slowpath_fmt", "warn_slowpath_null", "__warn", "report_bug", "do_undefinstr", "__do_softirq", "notifier_call_chain", "atomic_notifier_call_chain", "arm_notify_die", "do_DataAbort", "__dabt_svc", "page_fault_oops", "exc_page_fault", "asm_exc_page_fault", "bad_area_nosemaphore", "no_context":
		return true
	}
	return false
}

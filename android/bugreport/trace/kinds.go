package trace

import "strings"

// java reads an exception and its causes. Of a chain, the innermost one counts:
// what was thrown first is the fault, the others hand it on.
func (r *record) java(text string) bool {
	t := strings.TrimSpace(text)
	if p, ok := strings.CutPrefix(t, "Process: "); ok {
		p, _, _ = strings.Cut(p, ",")
		r.crash.Process = p
		return true
	}
	if strings.HasPrefix(t, "Subject: ") || strings.HasPrefix(t, "Activity: ") {
		return r.dropBox(t)
	}
	if cause, ok := strings.CutPrefix(t, "Caused by: "); ok {
		return r.throwable(cause)
	}
	if rest, ok := strings.CutPrefix(t, "at "); ok {
		if f, ok := JavaFrame(rest); ok {
			if r.causes == 0 {
				return false // a stack without an exception
			}
			if r.state = stack; !r.aside {
				r.frame(f, false)
			}
		}
		return true
	}
	if strings.HasPrefix(t, "Suppressed: ") {
		r.aside = true
		return true
	}
	switch {
	case t == "", strings.HasPrefix(t, "... "), strings.HasPrefix(t, "PID: "):
		return t != "" || r.causes == 0
	case r.causes == 0:
		if throwableLine(t) {
			return r.throwable(t)
		}
		return r.dropBox(t)
	case r.state == stack:
		return false
	}
	return true // more lines of the message
}

// dropBox reads the lines before an entry's stack.
func (r *record) dropBox(t string) bool {
	key, value, ok := strings.Cut(t, ": ")
	if !ok {
		return r.lines < 60
	}
	switch key {
	case "Subject":
		if r.crash.Kind == Java && strings.Contains(value, "timed out") || strings.HasPrefix(value, "Broadcast of Intent") || strings.HasPrefix(value, "executing service") || strings.HasPrefix(value, "Input dispatching") {
			r.crash.Kind, r.crash.Cause = ANR, reasonOf(value)
		} else if strings.HasPrefix(value, "Blocked in ") {
			r.crash.Kind, r.crash.Cause = Watchdog, blockedIn(value)
		}
	}
	return r.lines < 60
}

// throwableLine: "java.lang.RuntimeException: text", "kotlin.KotlinNullPointerException", "a.b.c".
func throwableLine(t string) bool {
	class, _, _ := strings.Cut(t, ":")
	return len(class) < 256 && strings.Contains(class, ".") && !strings.ContainsAny(class, " \t/=,()[]'\"") && !strings.HasSuffix(class, ".") && (class[0]|0x20 >= 'a' && class[0]|0x20 <= 'z')
}

// throwable notes an exception; its frames replace those of the one around it.
func (r *record) throwable(t string) bool {
	class, _, _ := strings.Cut(t, ":")
	class = strings.TrimSpace(class)
	if !throwableLine(t) {
		return true
	}
	r.crash.Cause = strings.TrimSuffix(withoutNumbers(class+".x"), ".x")
	r.crash.Frames, r.aside = nil, false
	r.causes++
	r.state = header
	return true
}

// native reads a tombstone or the log of one, up to the end of the first
// backtrace: the thread that crashed comes first.
func (r *record) native(text string) bool {
	t := strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(t, "signal "); ok && r.crash.Cause == "" {
		if _, name, ok := strings.Cut(rest, "("); ok {
			r.crash.Cause, _, _ = strings.Cut(name, ")")
		}
		return true
	}
	if f, ok := NativeFrame(t); ok {
		r.frame(f, crashing(f))
		r.state = stack
		return true
	}
	switch {
	case r.state == stack, strings.HasPrefix(t, "--- --- ---"):
		return false
	case strings.HasPrefix(t, "Cmdline: ") && r.crash.Process == "":
		r.crash.Process, _, _ = strings.Cut(strings.TrimPrefix(t, "Cmdline: "), " ")
	}
	return true
}

// anr reads what ActivityManager logs about an ANR, or a dump of its threads, of
// which the main thread counts.
func (r *record) anr(text string) bool {
	t := strings.TrimSpace(text)
	if !r.main {
		if reason, ok := strings.CutPrefix(t, "Reason: "); ok {
			r.crash.Cause = reasonOf(reason)
			return true
		}
		return strings.HasPrefix(t, "PID: ") || strings.HasPrefix(t, "Parent: ") || strings.HasPrefix(t, "ErrorId: ") || strings.HasPrefix(t, "Frozen: ") || strings.HasPrefix(t, "Load: ") || t == "" && r.crash.Cause == ""
	}
	switch {
	case strings.HasPrefix(t, "Cmd line: "):
		r.crash.Process, _, _ = strings.Cut(strings.TrimPrefix(t, "Cmd line: "), " ")
		return true
	case strings.HasPrefix(t, `"main" `):
		r.state = stack
		return true
	case r.state != stack:
		return !strings.HasPrefix(t, "----- end ")
	case t == "" || t[0] == '"' || strings.HasPrefix(t, "----- end "):
		return false
	}
	if f, ok := NativeFrame(t); ok {
		r.frame(f, waiting(f))
	} else if rest, ok := strings.CutPrefix(t, "at "); ok {
		if f, ok := JavaFrame(rest); ok {
			r.frame(f, false)
		}
	}
	return true
}

// waiting: how a thread waits, which every waiting thread does.
func waiting(f string) bool {
	lib, name, _ := strings.Cut(f, "!")
	switch lib {
	case "libc.so":
		return name == "syscall" || strings.HasPrefix(name, "__futex_wait") || strings.HasPrefix(name, "__epoll_pwait") || strings.HasPrefix(name, "epoll_") || strings.HasPrefix(name, "__ioctl") || name == "ioctl" || strings.HasPrefix(name, "pthread_cond_") || strings.HasPrefix(name, "nanosleep") || strings.HasPrefix(name, "NonPI") || strings.HasPrefix(name, "__rt_sig")
	case "libart.so":
		return strings.Contains(name, "ConditionVariable") || strings.Contains(name, "Monitor")
	}
	return false
}

// reasonOf names an ANR's sort by the words that Android prints in English in
// every language, without the window, the times and the intent.
func reasonOf(reason string) string {
	low := strings.ToLower(reason)
	for _, r := range [...]struct{ mark, name string }{
		{"input dispatching timed out", "input"}, {"keydispatching", "input"}, {"broadcast of intent", "broadcast"}, {"startforegroundservice", "foreground service"}, {"executing service", "service"},
		{"contentprovider", "provider"}, {"failed to complete startup", "startup"}, {"no response to onstartjob", "job"}, {"no response to onstopjob", "job"}, {"focused window", "input"},
	} {
		if strings.Contains(low, r.mark) {
			return r.name
		}
	}
	return "other"
}

// blockedIn keeps where the watchdog saw a thread blocked: the first one, without
// how long.
func blockedIn(reason string) string {
	reason, _, _ = strings.Cut(reason, ",")
	if i := strings.Index(reason, " for "); i > 0 {
		reason = reason[:i]
	}
	return strings.TrimSpace(strings.TrimRight(reason, "0123456789"))
}

// watchdog reads the stacks that it logs: the first one is the blocked thread's.
func (r *record) watchdog(text string) bool {
	t := strings.TrimSpace(text)
	switch {
	case strings.Contains(t, "*** GOODBYE!"):
		return false
	case strings.HasSuffix(t, "stack trace:"):
		if len(r.crash.Frames) > 0 {
			return false
		}
		r.state = stack
		return true
	}
	if rest, ok := strings.CutPrefix(t, "at "); ok {
		if f, ok := JavaFrame(rest); ok {
			r.frame(f, false)
		}
	}
	return true
}

// kernelStart recognises the lines with which a kernel dies, in its log.
func kernelStart(s stream, t string) bool {
	if s.tag != "kernel" && s.tag != "" {
		return false
	}
	t = kernelText(t)
	return strings.HasPrefix(t, "Unable to handle kernel ") || strings.HasPrefix(t, "Internal error: ") || strings.HasPrefix(t, "Kernel panic - not syncing") && !strings.Contains(t, "Fatal exception") || strings.HasPrefix(t, "BUG: unable to handle") || strings.HasPrefix(t, "kernel BUG at ") || strings.HasPrefix(t, "BUG: spinlock ")
}

// kernelText leaves out what vendors print before a message: [0:swapper/0: 1].
func kernelText(t string) string {
	for strings.HasPrefix(t, "[") || strings.HasPrefix(t, "(") || strings.HasPrefix(t, "<") {
		end := strings.IndexAny(t, "])>")
		if end < 0 || end > 48 || strings.HasPrefix(t, "[<") {
			return t
		}
		t = strings.TrimSpace(t[end+1:])
	}
	if i := strings.Index(t, "| "); i > 0 && i < 40 {
		return t[i+2:]
	}
	return t
}

func kernelCause(t string) string {
	t = kernelText(t)
	for _, c := range [...]struct{ mark, name string }{
		{"NULL pointer dereference", "null pointer"}, {"paging request", "paging request"}, {"read-only memory", "write to read-only memory"}, {"execute from non-executable", "execute"}, {"access to user memory", "access to user memory"},
		{"kernel BUG at", "BUG"}, {"spinlock", "spinlock"}, {"Oops", "oops"}, {"softlockup", "lockup"}, {"hung_task", "hung task"}, {"Attempted to kill init", "init died"}, {"Watchdog", "watchdog"}, {"watchdog", "watchdog"}, {"sysrq", "sysrq"}, {"Out of memory", "out of memory"}, {"synchronous external abort", "external abort"}, {"undefined instruction", "undefined instruction"}, {"Internal error", "internal error"},
	} {
		if strings.Contains(t, c.mark) {
			return c.name
		}
	}
	return "panic"
}

// kernel reads where it died and how it came there.
func (r *record) kernel(text string) bool {
	t := kernelText(strings.TrimSpace(text))
	for _, mark := range [...]string{"PC is at ", "pc : ", "RIP: 0010:", "RIP: "} {
		if rest, ok := strings.CutPrefix(t, mark); ok {
			if rest, _, _ = strings.Cut(rest, " "); len(r.crash.Frames) == 0 {
				if f, ok := KernelFrame(rest); ok {
					r.frame(f, dying(f))
				}
			}
			return true
		}
	}
	if strings.HasPrefix(t, "---[ end ") || strings.HasPrefix(t, "Rebooting in ") {
		return false
	}
	if strings.HasPrefix(t, "lr : ") || strings.HasPrefix(t, "LR is at ") {
		return true
	}
	if f, ok := KernelFrame(t); ok {
		if n := len(r.crash.Frames); n == 0 || r.crash.Frames[n-1] != f {
			r.frame(f, dying(f))
		}
	}
	return true
}

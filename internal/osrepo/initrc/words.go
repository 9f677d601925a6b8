package initrc

// many is any number of words.
const many = -1

// options of services, and how many words stand behind them; those of older Androids
// with them.
var options = map[string][2]int{
	"capabilities": {0, many}, "class": {1, many}, "console": {0, 1}, "critical": {0, 2}, "disabled": {0, 0},
	"enter_namespace": {2, 2}, "file": {2, 2}, "gentle_kill": {0, 0}, "group": {1, many}, "interface": {2, 2},
	"ioprio": {2, 2}, "keycodes": {1, many}, "namespace": {1, 2}, "oneshot": {0, 0}, "onrestart": {1, many},
	"oom_score_adjust": {1, 1}, "override": {0, 0}, "priority": {1, 1}, "reboot_on_failure": {1, 1}, "restart_period": {1, 1},
	"rlimit": {3, 3}, "seclabel": {1, 1}, "setenv": {2, 2}, "shared_kallsyms": {0, 0}, "shutdown": {1, 1}, "sigstop": {0, 0},
	"socket": {3, 6}, "stdio_to_kmsg": {0, 0}, "task_profiles": {1, many}, "timeout_period": {1, 1}, "updatable": {0, 0},
	"user": {1, 1}, "writepid": {1, many},
}

// commands of on sections, likewise.
var commands = map[string][2]int{
	"bootchart": {1, 1}, "chmod": {2, 2}, "chown": {2, 3}, "class_reset": {1, 1}, "class_reset_post_data": {1, 1},
	"class_restart": {1, 2}, "class_start": {1, 1}, "class_start_post_data": {1, 1}, "class_stop": {1, 1},
	"copy": {2, 2}, "copy_per_line": {2, 2}, "domainname": {1, 1}, "enable": {1, 1}, "enter_default_mount_ns": {0, 0},
	"exec": {1, many}, "exec_background": {1, many}, "exec_reboot_on_failure": {2, many}, "exec_start": {1, 1},
	"export": {2, 2}, "hostname": {1, 1}, "ifup": {1, 1}, "init_user0": {0, 0}, "insmod": {1, many}, "installkey": {1, 1},
	"installkeys_ref_user0": {0, 0}, "interface_restart": {1, 1}, "interface_start": {1, 1}, "interface_stop": {1, 1},
	"load_all_props": {0, 0}, "load_exports": {1, 1}, "load_persist_props": {0, 0}, "load_system_props": {0, 0}, "loglevel": {1, 1},
	"mark_post_data": {0, 0}, "mkdir": {1, 6}, "mount": {3, many}, "mount_all": {0, many}, "parse_apex_configs": {0, 0},
	"perform_apex_config": {0, 1}, "powerctl": {1, 1}, "readahead": {1, 2}, "reboot": {0, 1}, "remount_userdata": {0, 0}, "restart": {1, 2},
	"restorecon": {1, many}, "restorecon_recursive": {1, many}, "rm": {1, 1}, "rmdir": {1, 1}, "setcon": {1, 1}, "setenforce": {1, 1},
	"setkey": {1, 1}, "setprop": {2, 2}, "setrlimit": {3, 3}, "setsebool": {1, 2}, "start": {1, 1}, "stop": {1, 1},
	"swapoff": {1, 1}, "swapon_all": {0, 1}, "symlink": {2, 2}, "sysclktz": {1, 1}, "trigger": {1, 1}, "umount": {1, 1},
	"umount_all": {0, 1}, "update_linker_config": {0, 0}, "verity_load_state": {0, 0}, "verity_update_state": {0, 1},
	"wait": {1, 2}, "wait_for_prop": {2, 2}, "write": {2, 2},
}

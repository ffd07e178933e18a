//! The systems the suite runs on, and the one table of the tests that do not apply to a system, each with its reason.
//!
//! A test that is in the table asks [`applies`] at its beginning and is over when the answer is no; `cargo xtask systems`, `windows`
//! and `arm64` leave it out and count it. A test that is not in the table runs, and fails, wherever it cannot hold: nothing is left
//! out in silence.

use std::{fs, sync::OnceLock, thread};

use crate::Programs;

/// What the programs under test run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Linux, natively.
    Linux,
    /// Linux on 64-bit ARM, under QEMU's emulation of its programs.
    Arm64,
    /// Windows' programs under Wine on a Unix.
    Wine,
    /// Windows itself.
    Windows,
    /// macOS.
    Mac,
}

use System::{Arm64, Linux, Mac, Windows, Wine};

/// In the header of a Linux program: the number of its processor, and what it is for 64-bit ARM.
const PROCESSOR: std::ops::Range<usize> = 18..20;
const AARCH64: [u8; 2] = 183u16.to_le_bytes();

impl System {
    /// The word by which it is known in file names.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Arm64 => "arm64",
            Self::Wine => "wine",
            Self::Windows => "windows",
            Self::Mac => "macos",
        }
    }

    /// What the cloud is told of an image that the system cannot start as a program.
    ///
    /// Where QEMU emulates the processor it is another sentence. It copies the process that starts a program where the kernel lets both
    /// share their memory, so that `posix_spawn` of the emulated C library never learns why the program did not start: its child
    /// ends with 127, and nothing else is to be seen of it. That the old worker runs on is looked at there as everywhere.
    #[must_use]
    pub fn of_no_program(self) -> &'static str {
        match self {
            Self::Arm64 => {
                "the new worker did not get ready: it ended with code 127 before its hello"
            }
            _ => "the new program cannot be started: not a program for this system",
        }
    }

    /// The one that runs this test itself.
    #[must_use]
    pub fn own() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::Mac
        } else {
            Self::Linux
        }
    }

    /// The one the programs under test are for.
    pub fn under_test() -> Self {
        static SYSTEM: OnceLock<System> = OnceLock::new();
        *SYSTEM.get_or_init(|| {
            let programs = Programs::under_test();
            if programs.are_foreign() {
                return Self::Wine;
            }
            let header = fs::read(programs.path("supervisor")).unwrap_or_default();
            let is_arm = header.starts_with(b"\x7fELF") && header.get(PROCESSOR) == Some(&AARCH64);
            if is_arm && !cfg!(target_arch = "aarch64") {
                Self::Arm64
            } else {
                Self::own()
            }
        })
    }
}

/// Some tests that do not apply to some systems, for one reason.
#[derive(Debug)]
pub struct Exemption {
    /// Why.
    pub reason: &'static str,
    /// Where.
    pub systems: &'static [System],
    /// Their names, as the test program itself writes them.
    pub tests: &'static [&'static str],
}

/// All of them.
pub const EXEMPTIONS: &[Exemption] = &[
    Exemption {
        reason: "a process is stopped in its tracks by a signal",
        systems: &[Wine, Windows],
        tests: &[
            "health::a_worker_works_on_while_its_supervisor_stands_still_and_both_go_on_after_that",
            "health::an_active_worker_that_is_stopped_is_found_killed_and_started_again_with_its_state",
            "orphans::a_worker_and_a_standby_that_were_stopped_before_their_supervisor_was_killed_are_gone_before_the_next_worker_acts",
            "orphans::a_worker_that_stands_still_while_it_makes_its_device_safe_does_not_keep_the_device",
            "orphans::neither_do_a_worker_and_a_standby_together",
            "phases::while_a_switch_stands_still_and_on_the_way_back_every_wish_is_answered",
            "phases::while_a_trusted_version_is_left_every_wish_is_answered",
        ],
    },
    Exemption {
        reason: "the key is one of the consoles of Windows",
        systems: &[Linux, Arm64, Mac],
        tests: &["cli::ctrl_break_ends_it_in_order_too"],
    },
    Exemption {
        // Of `GenerateConsoleCtrlEvent` the server of Wine 8 knows the first number alone and answers others with NOT_IMPLEMENTED.
        reason: "Wine has no way to press CTRL-BREAK in a console",
        systems: &[Wine],
        tests: &["cli::ctrl_break_ends_it_in_order_too"],
    },
    Exemption {
        // `CreateProcessW` keeps it in an array of MAX_PATH: a copy of any program starts by a path of 259 characters and by none of 260,
        // written out whole with `\\?\` or not.
        reason: "Wine starts no program by a path of more than 259 characters",
        systems: &[Wine],
        tests: &["places::a_path_may_be_longer_than_260_characters"],
    },
    Exemption {
        reason: "processes are looked for by the means of Unix",
        systems: &[Wine, Windows],
        tests: &[
            "orphans::a_stranger_with_the_number_of_a_former_worker_and_damaged_files_are_left_in_peace",
            "respawn::a_worker_that_hangs_goes_too_when_its_supervisor_is_killed",
            "respawn::the_next_supervisors_worker_acts_only_when_the_former_ones_has_gone",
        ],
    },
    Exemption {
        reason: "a program that runs, or its folder, is replaced or removed, which the system forbids",
        systems: &[Wine, Windows],
        tests: &[
            "damage::a_damaged_program_is_not_started_again_and_the_version_before_takes_over",
            "damage::a_program_put_in_the_place_of_the_verified_one_never_runs",
            "damage::at_rest::a_folder_lost_under_a_running_supervisor_harms_no_worker_and_a_restart_heals",
            "damage::with_no_other_slot_left_the_supervisor_stays_connected_says_so_and_takes_any_version",
        ],
    },
    Exemption {
        reason: "a process is called by the name of its program in `/proc`, which only Linux has",
        systems: &[Wine, Windows, Mac],
        tests: &[
            "damage::a_worker_is_called_by_its_programs_name_although_it_is_started_from_an_open_file",
        ],
    },
    Exemption {
        reason: "the kernel knows an emulated process by the emulator's command line",
        systems: &[Arm64],
        tests: &[
            "damage::a_worker_is_called_by_its_programs_name_although_it_is_started_from_an_open_file",
        ],
    },
    Exemption {
        reason: "files and folders have no mode; what may be entered is decided by what they inherit",
        systems: &[Wine, Windows],
        tests: &[
            "config::a_secret_that_others_may_read_is_refused_with_the_remedy",
            "mistakes::config::a_secret_that_others_may_read",
            "damage::unreadable::an_active_slot_that_cannot_be_read_is_kept_and_the_one_before_it_runs",
            "damage::unreadable::the_only_slot_unreadable_is_kept_and_runs_as_soon_as_it_can_be_read",
            "damage::unreadable::while_the_only_slot_is_unreadable_any_version_is_taken",
            "last_good::a_configuration_that_may_not_be_read_is_as_good_as_none",
            "last_good::a_copy_of_the_secret_is_private_or_not_taken",
            "last_good::a_copy_that_others_can_read_is_private_again_or_not_taken",
            "strangers::unix::nobody_else_may_enter_the_folder_with_the_socket",
            "surroundings::a_program_that_may_not_be_executed_any_more_may_again_and_is_started",
        ],
    },
    Exemption {
        reason: "a stranger speaks to the socket by hand, and the named pipe lets nobody but its owner near",
        systems: &[Wine, Windows],
        tests: &[
            "strangers::unix::a_stranger_is_refused_and_the_worker_goes_on",
            "strangers::unix::a_stranger_who_says_nothing_is_sent_away_after_a_while",
            "strangers::unix::many_silent_strangers_do_not_keep_an_upgrade_from_going_through",
        ],
    },
    Exemption {
        reason: "a small, full or read-only disk is mounted, by the means of Linux",
        systems: &[Wine, Windows, Mac],
        tests: &[
            "space::small::a_disk_that_runs_full_in_mid_download_gets_its_room_back_and_the_worker_goes_on",
            "space::small::an_image_larger_than_the_disk_is_never_begun_and_a_smaller_one_is_installed",
            "surroundings::disks::a_commit_that_cannot_be_saved_is_told_only_when_it_is",
            "surroundings::disks::a_record_that_cannot_be_saved_refuses_an_offer_and_a_later_one_is_taken",
            "surroundings::disks::a_record_that_cannot_be_saved_when_the_image_is_there_leaves_the_worker_alone",
            "surroundings::disks::a_state_folder_from_which_nothing_may_be_executed_any_more_is_tried_until_it_may",
            "surroundings::disks::a_state_folder_that_becomes_read_only_stops_updates_and_nothing_else",
            "surroundings::disks::a_state_of_the_device_that_cannot_be_kept_is_told_once_and_the_next_is_kept",
        ],
    },
    Exemption {
        reason: "the limits of a running process are set from outside, by the means of Linux",
        systems: &[Wine, Windows, Mac],
        tests: &[
            "surroundings::limits::without_handles_a_worker_that_died_is_tried_until_there_are_some",
            "surroundings::limits::without_handles_an_update_fails_and_the_worker_runs_on",
            "surroundings::limits::without_memory_for_a_further_thread_a_worker_that_died_is_started_again",
            "surroundings::limits::without_processes_a_worker_that_died_is_tried_until_there_are_some",
            "surroundings::limits::without_processes_an_update_fails_and_the_worker_runs_on",
        ],
    },
    Exemption {
        reason: "a worker is run as another user of Linux",
        systems: &[Wine, Windows, Mac],
        tests: &[
            "privileges::a_state_folder_that_the_workers_user_cannot_reach_is_told",
            "privileges::a_worker_of_another_user_has_its_own_folder_and_reaches_nothing_else",
            "privileges::a_worker_of_another_user_is_started_again_with_its_checkpoint_and_by_the_next_supervisor",
            "privileges::upgrade_and_roll_back_work_for_a_worker_of_another_user",
            "privileges::what_an_earlier_configuration_left_open_is_closed_and_a_running_one_is_not_disturbed",
        ],
    },
    Exemption {
        reason: "users and groups are those of Unix",
        systems: &[Wine, Windows],
        tests: &["privileges::a_user_who_is_not_there_or_cannot_be_become_is_told"],
    },
    Exemption {
        reason: "the system is told by the sockets that only Unix has",
        systems: &[Wine, Windows],
        tests: &[
            "service::a_device_whose_worker_never_acts_is_not_called_up",
            "service::the_system_is_told_when_the_device_is_up_how_it_goes_and_that_it_ends",
            "service::the_watchdog_is_fed_while_nothing_happens_and_not_by_a_spine_that_hangs",
            "service::without_a_worker_the_device_is_up_when_the_platform_is_reached",
        ],
    },
    Exemption {
        reason: "units, and the environment of a process, are looked at by the means of Linux",
        systems: &[Wine, Windows, Mac],
        tests: &[
            "service::a_unit_is_printed_installed_below_a_root_and_removed_and_systemd_takes_it",
            "service::a_worker_knows_nothing_of_the_system_that_started_its_supervisor",
        ],
    },
    Exemption {
        reason: "the service is one of Windows",
        systems: &[Linux, Arm64, Mac],
        tests: &["windows_service::a_service_of_windows_runs_the_worker_and_stops_in_order"],
    },
    Exemption {
        reason: "emulated, whoever starts a program never learns why it did not start",
        systems: &[Arm64],
        tests: &[
            "surroundings::a_program_that_may_not_be_executed_any_more_may_again_and_is_started",
            "surroundings::disks::a_state_folder_from_which_nothing_may_be_executed_any_more_is_tried_until_it_may",
        ],
    },
    Exemption {
        reason: "the emulation of a process has threads of its own",
        systems: &[Arm64],
        tests: &[
            "surroundings::limits::without_memory_for_a_further_thread_a_worker_that_died_is_started_again",
        ],
    },
    Exemption {
        reason: "the emulation does not know the request that takes a terminal's echo away",
        systems: &[Arm64],
        tests: &[
            "terminal::init::at_a_terminal_everything_is_asked_and_the_secret_is_not_shown",
            "terminal::init::ctrl_c_at_the_secret_writes_nothing_and_leaves_the_terminal_as_it_was",
        ],
    },
    Exemption {
        reason: "a terminal is one of Unix, with its modes and its signals",
        systems: &[Wine, Windows],
        tests: &[
            "terminal::doctor::a_damaged_worker_is_told_before_it_is_started",
            "terminal::doctor::a_device_that_is_well_has_every_check_and_nothing_is_changed_by_them",
            "terminal::doctor::a_running_supervisor_is_asked_and_not_thrown_out",
            "terminal::doctor::at_a_terminal_it_is_a_table_in_colours",
            "terminal::doctor::every_fault_on_the_way_is_told_by_its_name_with_the_next_step",
            "terminal::explain::at_a_terminal_the_story_is_the_one_of_the_pipe_and_a_failure_stands_out",
            "terminal::init::at_a_terminal_everything_is_asked_and_the_secret_is_not_shown",
            "terminal::init::ctrl_c_at_the_secret_writes_nothing_and_leaves_the_terminal_as_it_was",
            "terminal::init::from_a_pipe_the_answers_are_lines_and_with_flags_only_the_secret_is",
            "terminal::init::what_would_be_no_configuration_is_not_written",
            "terminal::watch::a_narrow_terminal_cuts_rows_and_a_supervisor_that_goes_is_waited_for",
            "terminal::watch::a_watch_whose_reader_has_gone_ends",
            "terminal::watch::an_upgrade_is_seen_on_one_page_and_ctrl_c_leaves_the_terminal_as_it_was",
            "terminal::watch::into_a_pipe_goes_one_line_for_each_change_and_with_json_one_object",
        ],
    },
    Exemption {
        reason: "surroundings are brought about by the means of Linux",
        systems: &[Mac],
        tests: &[
            "surroundings::a_program_that_may_not_be_executed_any_more_may_again_and_is_started",
        ],
    },
];

/// Why this test does not apply to this system; nothing where it does.
#[must_use]
pub fn exemption(system: System, test: &str) -> Option<&'static str> {
    let mut fitting = EXEMPTIONS
        .iter()
        .filter(|it| it.systems.contains(&system) && it.tests.contains(&test));
    fitting.next().map(|it| it.reason)
}

/// Does the test that asks apply to the programs under test? Otherwise the reason is printed.
#[must_use]
pub fn applies() -> bool {
    // A test runs on a thread of its name.
    let thread = thread::current();
    let reason = exemption(System::under_test(), thread.name().unwrap_or_default());
    if let Some(reason) = reason {
        println!("does not apply to these programs: {reason}");
    }
    reason.is_none()
}

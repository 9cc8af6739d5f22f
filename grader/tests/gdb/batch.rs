//! gdb in batch.

use crate::session::{gdb, run};

/// A page that is not where kernel stacks fall in QEMU's TLB.
const PAGE: &str = "0x437000";

/// Has every other CPU hold a translation of the page, then the page changed, with a shootdown.
fn remap() -> String {
    format!("monitor map {PAGE}\nmonitor read {PAGE} on others\nmonitor remap {PAGE}\n")
}

#[test]
fn a_cpu_that_is_no_thread_or_has_no_name() {
    let said = gdb("kernel", "info threads\np $cr3\np/x $dr7\nx/2i $pc\n");
    said.tells(&[
        "Thread 1.1 (CPU 0: ",
        "Thread 1.2 (CPU 1: idle 1",
        "Thread 1.3 (CPU 2: idle 2",
        "Thread 1.4 (CPU 3: idle 3",
        "$1 = ",
        "$2 = 0x400",
    ]);
    gdb("qemu", "info threads\np $cr3\n").tells(&["Thread 1.1", "Thread 1.4", "$1 = "]);
}

#[test]
fn a_target_that_cannot_be_stopped_in_its_handler_while_the_initiator_waits() {
    let script = remap()
        + "shootdown break acknowledge 2\ncontinue\nshootdown cpus\nshootdown scoreboard\n\
           shootdown requests\ninfo threads\n";
    gdb("kernel", &script).tells(&[
        "CPU 2 is at acknowledge",
        "CPU  THREAD",
        // The initiator waits, with interrupts on.
        " 0 ",
        "on ",
        "*2 ",
        "off ",
        "yes",
        "TARGET",
        "2       0 ",
        "page",
        "1 ",
        "CPU 0: command",
        "has asked CPUs",
        "* 3    Thread 1.3 (CPU 2: idle 2, space 1, interrupts off)",
    ]);
}

#[test]
fn a_tlb_that_does_not_change_from_the_acknowledgement_to_the_invalidation() {
    let script = remap()
        + &format!(
            "shootdown break invalidate 2\ncontinue\nshootdown tlb {PAGE}\np $slot(2, 0)\n\
             delete\nshootdown break return 2\ncontinue\nshootdown tlb {PAGE}\n"
        );
    let said = gdb("kernel", &script);
    let row = |text: &str| {
        let rows = text.lines().filter(|line| line.starts_with("2    1"));
        rows.map(str::to_owned).collect::<Vec<_>>()
    };
    let rows = row(&said.text);
    assert_eq!(rows.len(), 2, "{}", said.text);
    // Acknowledged already, and still stale: claim 5.
    assert!(
        rows[0].contains("hit") && rows[0].ends_with("STALE"),
        "{}",
        rows[0]
    );
    assert_eq!(said.line("$1 = "), "1", "the slot holds the generation");
    assert!(
        rows[1].contains("miss") && rows[1].ends_with("fresh"),
        "{}",
        rows[1]
    );
}

#[test]
fn a_word_of_the_scoreboard_that_cannot_be_watched() {
    for stub in ["kernel", "qemu"] {
        let setup = if stub == "kernel" {
            remap()
        } else {
            remap().replace("monitor", "shootdown shell")
        };
        let script = setup + "watch -l $slot(2, 0)\ncontinue\np $_thread\ncontinue\np $_thread\n";
        gdb(stub, &script).tells(&[
            "Old value = 1",
            "New value = 0",
            "$1 = 1",
            "Old value = 0",
            "New value = 1",
            "$2 = 3",
        ]);
    }
}

#[test]
fn steps_that_lose_their_thread() {
    let script = "monitor storm rounds=100000000\nshootdown break publish 1\ncontinue\ndelete\n\
                  stepi 500\np $_thread\nset scheduler-locking on\nstepi 500\np $_thread\n";
    gdb("kernel", script).tells(&["CPU 1 is at publish", "$1 = 2", "$2 = 2"]);
}

#[test]
fn a_step_that_holds_an_interrupt_back() {
    // CPU 2 is held while the shootdown's interrupt reaches it, then stepped.
    let script = remap()
        + "shootdown break send 0\ncontinue\ndelete\nset scheduler-locking on\n\
           shootdown break wait 0\ncontinue\ndelete\nshootdown break notice 2\nthread 3\nstepi\n\
           shootdown cpus\n";
    gdb("kernel", &script).tells(&[
        "CPU 0 is at send",
        "CPU 0 is at wait",
        "CPU 2 is at notice",
        "*2 ",
    ]);
}

#[test]
fn ctrl_c_that_does_not_stop_a_storm_or_a_detach_that_does() {
    let script = "monitor storm rounds=100000000\npython\nimport os, signal, threading\n\
                  threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\nend\n\
                  continue\ninfo threads\nshootdown cpus\n";
    gdb("kernel", script).tells(&["received signal SIGINT", "storm", "CPU  THREAD"]);
}

#[test]
fn a_fault_that_fires_unseen() {
    let script = remap()
        + "monitor fault acknowledge|delay cpu 2 1*\nshootdown break acknowledge 2\ncontinue\n\
           shootdown scoreboard\n";
    gdb("kernel", &script).tells(&["CPU 2 is at acknowledge", "TARGET"]);
}

#[test]
fn a_panic_that_ends_the_machine_under_gdb() {
    let script = "monitor crash null on 2\ncontinue\np $_thread\nbt 4\n";
    gdb("kernel", script).tells(&["received signal SIGSEGV", "$1 = 3", "read_null"]);
    let script = "monitor crash panic on 1\ncontinue\np $_thread\nbt 12\n";
    gdb("kernel", script).tells(&["received signal SIGABRT", "$1 = 2", "crash"]);
}

#[test]
fn a_machine_whose_interrupts_are_off_that_gdb_cannot_stop() {
    // CPU 0 jumps to itself with interrupts off: only an NMI gets through.
    let script = "monitor /stop\ncontinue\npython\nimport os, signal, threading\n\
                  pc = int(gdb.parse_and_eval('$pc'))\n\
                  gdb.selected_inferior().write_memory(pc, b'\\xeb\\xfe')\n\
                  threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\nend\n\
                  continue\npython print('THERE', pc == int(gdb.parse_and_eval('$pc')))\np/x $eflags\n";
    let said = gdb("kernel", script);
    said.tells(&["received signal SIGINT", "THERE True"]);
    let flags = u64::from_str_radix(said.line("$1 = 0x"), 16).unwrap();
    assert_eq!(flags & 1 << 9, 0, "{}", said.text);
}

#[test]
fn a_machine_that_has_started_its_cpus_before_gdb_may_look() {
    let script = "info threads\ntbreak kernel::machine::set_online\ncontinue\ninfo threads\n";
    let said = run(&["gdb", "--wait"], script);
    let before = said
        .text
        .find("Temporary breakpoint 1, ")
        .unwrap_or_else(|| panic!("{}", said.text));
    assert!(
        !said.text[..before].contains("Thread 1.2 ("),
        "{}",
        said.text
    );
    assert!(
        said.text[before..].contains("Thread 1.2 ("),
        "{}",
        said.text
    );
}

#[test]
fn a_boot_that_gdb_cannot_follow_to_its_end() {
    let said = run(
        &["gdb", "--wait"],
        "monitor version\nmonitor /stop\ncontinue\ninfo threads\n",
    );
    said.tells(&["Thread 1.4 (CPU 3: "])
        .tells(&["protocol    scoreboard"]);
}

#[test]
fn another_kernel_s_symbols_taken_for_this_one_s() {
    let script = "python\nimport shootdown_gdb.kernel as kernel\nkernel.first_text = lambda path: \
                  (0xffffffff80200000, b'no such code')\nend\n\
                  python\ntry:\n    gdb.execute('shootdown cpus')\nexcept gdb.error as e:\n    print('SAID', e)\nend\n\
                  file\npython\ntry:\n    gdb.execute('shootdown cpus')\nexcept gdb.error as e:\n    print('SAID', e)\nend\n";
    gdb("kernel", script).tells(&["SAID the machine does not run ", "SAID no file is loaded"]);
}

#[test]
fn a_word_that_is_no_point_or_cpu_taken_for_one() {
    let script = "python\nfor line in ('break foo', 'break zero 9', 'tlb', 'tlb nonsense(', 'trace x'):\n    \
                  try:\n        gdb.execute('shootdown ' + line)\n    except gdb.error as e:\n        print('SAID', e)\nend\n";
    gdb("kernel", script).tells(&[
        "SAID a point was expected",
        "SAID there is no CPU 9",
        "SAID an address was expected",
        "SAID an address was expected",
        "SAID a number of records was expected",
    ]);
}

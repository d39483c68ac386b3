use super::*;

const LINE: usize = 1000;

fn start(script: &str, patience_ms: u64) -> Process {
    let argv = ["sh", "-c", script].map(str::to_owned);
    Process::start("router", &argv, &[], Duration::from_millis(patience_ms)).expect("sh")
}

fn line(process: &mut Process) -> Result<String, Fault> {
    let end = |bytes: &[u8]| Ok(bytes.iter().position(|&byte| byte == b'\n').map(|end| end + 1));
    process.answer(LINE, end).map(|line| String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn fault(mut process: Process) -> String {
    line(&mut process).expect_err("no answer").to_string()
}

/// Whether a process of this number is there and no zombie.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z') && !rest.is_empty())
}

#[test]
fn what_it_is_told_it_answers() {
    let mut process = start("while read -r line; do echo \"got $line\"; done", 10_000);
    for word in ["one", "two"] {
        process.tell(format!("{word}\n").as_bytes()).expect("it reads");
        assert_eq!(line(&mut process), Ok(format!("got {word}")));
    }
    assert!(process.unasked().is_empty());
}

#[test]
fn no_shell_sees_the_command() {
    let argv = ["printf", "%s\\n", "$HOME; echo *"].map(str::to_owned);
    let mut process = Process::start("router", &argv, &[], Duration::from_secs(10)).expect("printf");
    assert_eq!(line(&mut process), Ok("$HOME; echo *".to_owned()));
}

#[test]
fn one_that_hangs_is_given_up_in_time_and_its_last_words_are_told() {
    let told = fault(start("echo 'thinking hard' >&2; exec sleep 60", 300));
    assert!(told.contains("did not answer within 0.3 s") && told.contains("thinking hard"), "{told}");
}

#[test]
fn one_that_dies_tells_how() {
    let told = fault(start("echo 'no such model' >&2; exit 3", 10_000));
    assert!(told.contains("ended with exit code 3") && told.contains("no such model"), "{told}");
    let told = fault(start("kill -9 $$", 10_000));
    assert!(told.contains("ended by signal 9") && told.contains("wrote nothing"), "{told}");
}

#[test]
fn one_that_answers_without_end_is_stopped_by_the_limit() {
    let told = fault(start("exec yes | tr -d '\\n'", 10_000));
    assert!(told.contains("more than 1000 bytes"), "{told}");
}

#[test]
fn one_that_complains_without_end_holds_nothing_up() {
    let mut process = start("yes complaint >&2 & read -r line; echo \"got $line\"; wait", 10_000);
    process.tell(b"word\n").expect("it reads");
    assert_eq!(line(&mut process), Ok("got word".to_owned()));
}

#[test]
fn one_that_reads_nothing_is_given_up_in_time() {
    let mut process = start("exec sleep 60", 300);
    let much = vec![b'x'; 1 << 20];
    let told = process.tell(&much).expect_err("nobody reads").to_string();
    assert!(told.contains("does not read what it is told within 0.3 s"), "{told}");
}

#[test]
fn one_that_closes_its_pipes_and_goes_on_is_told_so() {
    let told = fault(start("exec >&-; exec sleep 60", 10_000));
    assert!(told.contains("closed its input or output and goes on"), "{told}");
}

#[test]
fn a_command_that_is_not_there_is_told() {
    let argv = ["/no/such/router".to_owned()];
    let told = Process::start("/no/such/router", &argv, &[], Duration::from_secs(1)).expect_err("none").to_string();
    assert!(told.contains("/no/such/router") && told.contains("No such file"), "{told}");
}

#[test]
fn nothing_that_it_started_is_left_whether_it_lives_or_has_ended() {
    for end in ["wait", "exit 0"] {
        let mut process = start(&format!("sleep 60 & echo $!; {end}"), 10_000);
        let (own, grandchild) = (process.id().to_string(), line(&mut process).expect("its number"));
        assert!(is_alive(&grandchild), "{end}");
        drop(process);
        // The kernel takes a moment to end what was killed.
        let gone = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            !is_alive(&grandchild)
        });
        assert!(gone && !is_alive(&own), "{end}: {grandchild} of {own} is left");
    }
}

#[test]
fn a_panic_ends_it_too() {
    let id = std::panic::catch_unwind(|| {
        let process = start("exec sleep 60", 10_000);
        std::panic::panic_any(process.id());
    });
    let id = id.expect_err("a panic").downcast::<u32>().expect("its number");
    assert!(!is_alive(&id.to_string()));
}

//! Protocol "dynamo", spoken to a service that stands in for Dynamo's. A program without a test harness: it is its own gate,
//! as `netkv` is.

#[cfg(unix)]
mod common;

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
fn main() {
    checks::main();
}

#[cfg(unix)]
mod checks {
    use super::common::{ask, asked};
    use netkv_external::{Conformance, Domain, DynamoOptions, External, Network, Protocol, gate};
    use netkv_policy::{DynamoConfig, Policy, PolicyConfig, Repetition, RequestEvent, RequestStep};
    use netkv_units::{InstanceId, RequestId, SimTime};
    use std::ffi::OsString;
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    /// A check and its name.
    type Check = (&'static str, fn(&Path));

    pub fn main() {
        let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
        if arguments.first().is_some_and(|first| first == gate::COMMAND) {
            eprintln!("{}", gate::run(&arguments[1..]));
            std::process::exit(1);
        }
        gate::offer();
        if let [word, folder] = &arguments[..]
            && word == "hold"
        {
            return hold(Path::new(folder));
        }
        let folder = tempfile::tempdir().expect("a folder");
        stand_in(folder.path());
        let checks: [Check; 8] = [
            ("it_decides_by_its_own_books", it_decides_by_its_own_books),
            ("one_that_listens_late_is_waited_for", one_that_listens_late_is_waited_for),
            ("it_runs_in_a_network_of_its_own", it_runs_in_a_network_of_its_own),
            ("every_fault_is_told", every_fault_is_told),
            ("a_release_that_was_not_named_is_refused", a_release_that_was_not_named_is_refused),
            ("nothing_is_left_of_it", nothing_is_left_of_it),
            ("nothing_is_left_where_this_process_is_killed", nothing_is_left_where_this_process_is_killed),
            ("a_rule_is_compared_decision_by_decision", a_rule_is_compared_decision_by_decision),
        ];
        for (name, check) in checks {
            check(folder.path());
            println!("test {name} ... ok");
        }
        println!("\ntest result: ok. {} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out", checks.len());
    }

    /// The package that stands in, of release 1.6.1.
    fn stand_in(folder: &Path) {
        let write = |path: &str, text: &str| {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        };
        write("dynamo/__init__.py", "");
        write("dynamo/select_service.py", include_str!("fake_service.py"));
        let metadata = "Metadata-Version: 2.1\nName: ai-dynamo-runtime\nVersion: 1.6.1\n";
        write("ai_dynamo_runtime-1.6.1.dist-info/METADATA", metadata);
    }

    fn service(folder: &Path, fault: &str, network: Network, release: &str) -> External {
        let (path, fault) = (format!("PYTHONPATH={}", folder.display()), format!("FAULT={fault}"));
        let command = ["env", &path, &fault, "python3", "-m", "dynamo.select_service"].map(str::to_owned).to_vec();
        let protocol = Protocol::Dynamo(DynamoOptions { block_tokens: 16, domain: Domain::None });
        External::new(command, protocol, Duration::from_secs(3), release.to_owned(), network, String::new())
    }

    fn follow(policy: &mut Box<dyn Policy>, request: u32, step: RequestStep) {
        let event =
            RequestEvent { request: RequestId::new(request), step, instance: InstanceId::new(0), now: SimTime::ZERO };
        policy.follow(&event);
    }

    fn it_decides_by_its_own_books(folder: &Path) {
        check_books(&service(folder, "", Network::Host, "1.6.1"));
    }

    fn check_books(external: &External) {
        let mut policy = asked(external);
        // Four requests of as many blocks on four instances, one after the other; then the first that is free again.
        for number in 0..4 {
            assert_eq!(ask(&mut policy, number), Ok(number as usize));
        }
        follow(&mut policy, 2, RequestStep::Joined);
        follow(&mut policy, 2, RequestStep::Finished);
        assert_eq!(ask(&mut policy, 4), Ok(2));
        // One that is taken back begins anew.
        follow(&mut policy, 3, RequestStep::Recalled);
        assert_eq!(ask(&mut policy, 3), Ok(3));
        // Events of requests that it was not asked about are none of its business.
        follow(&mut policy, 99, RequestStep::Finished);
        assert_eq!(ask(&mut policy, 5), Ok(0));
        assert_eq!(policy.repetition(), Some(Repetition { asked: 7, agreed: 7 }));
    }

    fn one_that_listens_late_is_waited_for(folder: &Path) {
        assert_eq!(ask(&mut asked(&service(folder, "late", Network::Host, "1.6.1")), 1), Ok(0));
    }

    fn it_runs_in_a_network_of_its_own(folder: &Path) {
        let root = rustix::process::geteuid().is_root();
        let user: &[&str] = if root { &[] } else { &["--map-root-user"] };
        let tried = Command::new("unshare").args(["--net", "--pid", "--fork"]).args(user).arg("true").status();
        if !tried.is_ok_and(|status| status.success()) {
            println!("note: this machine makes no network namespaces; a service in one was not tried");
            return;
        }
        // Two at once, both on the same port.
        let external = service(folder, "", Network::Own, "1.6.1");
        check_books(&external);
    }

    fn every_fault_is_told(folder: &Path) {
        for (fault, why) in [
            ("die", "out of memory"),
            ("hang", "did not answer within 3 s (policy.external.timeout_s)"),
            ("status", "with status 503: {\"error\": \"no schedulable workers are available\"}"),
            ("nonsense", "answered POST /select_and_reserve with `{\"worker\": 1}`"),
            ("unknown", "instance 17, which is none of its 4 candidates (0 to 3)"),
            ("chunked", "comes in chunks, which netkv does not read"),
        ] {
            let told = ask(&mut asked(&service(folder, fault, Network::Host, "1.6.1")), 1).expect_err(fault);
            assert!(told.contains(why), "{fault}: {told}");
        }
        // What it answers to events is looked at with the next decision.
        let mut policy = asked(&service(folder, "forgets", Network::Host, "1.6.1"));
        assert_eq!(ask(&mut policy, 1), Ok(0));
        follow(&mut policy, 1, RequestStep::Finished);
        let told = ask(&mut policy, 2).expect_err("it forgot");
        assert!(told.contains("answered DELETE /reservations/1-1 with status 404"), "{told}");
    }

    fn a_release_that_was_not_named_is_refused(folder: &Path) {
        let told = ask(&mut asked(&service(folder, "", Network::Host, "1.7.0")), 1).expect_err("another release");
        assert!(told.contains("is Dynamo 1.6.1, but policy.external.release says 1.7.0"), "{told}");

        let without = External::new(
            ["python3", "-m", "dynamo.select_service"].map(str::to_owned).to_vec(),
            Protocol::Dynamo(DynamoOptions { block_tokens: 16, domain: Domain::None }),
            Duration::from_secs(3),
            "1.6.1".to_owned(),
            Network::Host,
            String::new(),
        );
        if Command::new("python3")
            .args(["-c", "import dynamo"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
        {
            return;
        }
        let told = ask(&mut asked(&without), 1).expect_err("it is not installed");
        assert!(told.contains("pip install ai-dynamo-runtime") && told.contains("PackageNotFoundError"), "{told}");
    }

    /// Processes that were started with this folder in their environment.
    fn alive(folder: &Path) -> usize {
        let mark = format!("PYTHONPATH={}", folder.display());
        let processes = std::fs::read_dir("/proc").expect("processes").flatten();
        let lines = processes.map(|process| std::fs::read(process.path().join("environ")).unwrap_or_default());
        lines.filter(|line| String::from_utf8_lossy(line).contains(&mark)).count()
    }

    fn check_gone(folder: &Path) {
        let gone = (0..400).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            alive(folder) == 0
        });
        assert!(gone, "{} are left", alive(folder));
    }

    fn nothing_is_left_of_it(folder: &Path) {
        let mut policy = asked(&service(folder, "", Network::Host, "1.6.1"));
        assert_eq!(ask(&mut policy, 1), Ok(0));
        // It and its copy.
        assert_eq!(alive(folder), 2);
        drop(policy);
        check_gone(folder);
    }

    /// Asks a router that hangs, for ever.
    fn hold(folder: &Path) {
        let mut external = service(folder, "hang", Network::Host, "1.6.1");
        external.timeout = Duration::from_secs(60);
        drop(ask(&mut asked(&external), 1));
    }

    fn nothing_is_left_where_this_process_is_killed(folder: &Path) {
        let own = std::env::current_exe().expect("this program");
        let mut child = Command::new(own).arg("hold").arg(folder).spawn().expect("this program");
        let up = (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            alive(folder) == 2
        });
        assert!(up, "two services are up");
        child.kill().expect("SIGKILL");
        child.wait().expect("it ended");
        check_gone(folder);
    }

    fn a_rule_is_compared_decision_by_decision(folder: &Path) {
        let config = DynamoConfig {
            block_tokens: 16,
            load: netkv_policy::DynamoLoad::Blocks,
            active_request_weight: 0.0,
            topology_domain: netkv_units::Tier::Rack,
            topology_weight: 0.85,
        };
        let product = service(folder, "", Network::Host, "1.6.1");
        let conformance = Conformance::new(product, PolicyConfig::DynamoDecode(config));
        let mut policy = super::common::build(&conformance);
        // The rule is shown four idle instances each time, the service keeps books: the first decision is a tie in both, and
        // from the second on the rule takes all four for equal, while its cost is not the service's on a fifth request.
        for number in 0..5 {
            assert_eq!(ask(&mut policy, number), Ok(number as usize % 4));
        }
        let found = conformance.found();
        assert_eq!((found.decisions, found.equal, found.ties, found.ties_equal), (5, 5, 5, 5));
        assert_eq!((found.blocks_told, found.blocks_equal), (5, 4));
        let [difference] = &found.first[..] else { panic!("one difference: {found:?}") };
        assert!(difference.only_blocks && difference.decision == 5, "{difference:?}");
        assert_eq!(difference.blocks, Some((63.0, 125)));
    }
}

//! Packages as their platforms run them, with a grader that only pretends and the real conversion.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use grader::grade::report::{FORMAT, Outcome, Report};

const KIT: &str = env!("CARGO_BIN_EXE_kit");

/// Where a platform keeps a package, and a kit is installed.
struct Host(tempfile::TempDir);

/// Stands for `kit`: grades by handing out a report that is there, and notes what it was asked.
const PRETENDS: &str = r#"#!/usr/bin/env bash
set -eu
[ "$1" = grade ] || exec @KIT@ "$@"
printf '%s\n' "$@" >@HERE@/asked
while [ "$1" != --out ]; do shift; done
mkdir -p "$2/submissions/x"
cp @HERE@/report.json "$2/submissions/x/lab-02.json"
exit "$(cat @HERE@/status)"
"#;

impl Host {
    fn new(platform: &str) -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        let package = host.path("package");
        let made = Command::new(KIT)
            .args(["export", platform, "--lab", "2"])
            .arg(&package)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let here = host.0.path().to_str().unwrap();
        host.write(
            "pretends",
            &PRETENDS.replace("@KIT@", KIT).replace("@HERE@", here),
        );
        fs::set_permissions(host.path("pretends"), fs::Permissions::from_mode(0o755)).unwrap();
        let env = format!("KIT={here}/pretends\nKIT_TIER=${{KIT_TIER:-strong}}\n");
        host.write("kit/env", &env);
        host.grades(Outcome::Graded);
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    /// What comes of the next submissions.
    fn grades(&self, outcome: Outcome) {
        let graded = outcome == Outcome::Graded;
        let report = Report {
            format: FORMAT.to_owned(),
            submission: "x".to_owned(),
            lab: 2,
            title: "Ring".to_owned(),
            solution: String::new(),
            kit: String::new(),
            sandbox: String::new(),
            outcome,
            reason: if graded {
                String::new()
            } else {
                "no disk".to_owned()
            },
            points: if graded { 70 } else { 0 },
            of: 100,
            checks: Vec::new(),
            leaderboard: None,
        };
        report.write(&self.path("report.json")).unwrap();
        self.write(
            "status",
            if outcome == Outcome::Infrastructure {
                "5"
            } else {
                "0"
            },
        );
    }

    /// Runs a script with the host's folders for the platform's.
    fn run(&self, script: &str, arguments: &[&Path]) -> Output {
        let mut command = Command::new("bash");
        command.arg(self.path(script)).args(arguments);
        self.with(command)
    }

    fn with(&self, mut command: Command) -> Output {
        command
            .env("AUTOGRADER", self.0.path())
            .env("GRADE", self.0.path())
            .env("KIT_PREFIX", self.path("kit"))
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    fn asked(&self) -> Vec<String> {
        let asked = self.read("asked").unwrap();
        asked.lines().map(str::to_owned).collect()
    }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[track_caller]
fn succeeded(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Unpacks a zip archive as Gradescope does.
fn unzipped(archive: &Path, to: &Path) {
    let mut archive = zip::ZipArchive::new(fs::File::open(archive).unwrap()).unwrap();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let path = to.join(file.enclosed_name().unwrap());
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let mode = file.unix_mode().unwrap() & 0o777;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn a_package_that_gradescope_cannot_run_or_that_makes_zeros() {
    let host = Host::new("gradescope");
    unzipped(&host.path("package/autograder.zip"), &host.path("source"));
    for name in ["setup.sh", "run_autograder"] {
        let mode = fs::metadata(host.path("source").join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o755, "{name}");
    }
    let start = host.read("source/run_autograder").unwrap();
    assert!(start.starts_with("#!/usr/bin/env bash\n"));
    succeeded(&host.run("source/run_autograder", &[]));
    let submission = host.path("submission");
    let asked = host.asked();
    assert_eq!(
        asked[..4],
        ["grade", submission.to_str().unwrap(), "--lab", "2"]
    );
    assert_eq!(
        json(&host.read("results/results.json").unwrap())["score"],
        70
    );
    host.grades(Outcome::Infrastructure);
    let failed = host.run("source/run_autograder", &[]);
    assert_eq!(failed.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&failed.stderr).contains("run the job again"));
    assert_eq!(host.read("results/results.json"), None);
}

#[test]
fn a_container_that_prairielearn_cannot_run_or_that_makes_zeros() {
    let host = Host::new("prairielearn");
    let info = json(&host.read("package/info.json").unwrap());
    let options = &info["externalGradingOptions"];
    let known = [
        "enabled",
        "enableNetworking",
        "entrypoint",
        "environment",
        "image",
        "serverFilesCourse",
        "timeout",
    ];
    assert!(
        options
            .as_object()
            .unwrap()
            .keys()
            .all(|key| known.contains(&key.as_str()))
    );
    assert!(options["timeout"].as_u64().unwrap() <= 600);
    succeeded(&host.run("package/entrypoint.sh", &[]));
    assert_eq!(host.asked()[1], host.path("student").to_str().unwrap());
    assert_eq!(
        json(&host.read("results/results.json").unwrap())["score"],
        0.7
    );
    host.grades(Outcome::NotGradable);
    succeeded(&host.run("package/entrypoint.sh", &[]));
    assert_eq!(
        json(&host.read("results/results.json").unwrap())["gradable"],
        false
    );
    host.grades(Outcome::Infrastructure);
    assert_eq!(
        host.run("package/entrypoint.sh", &[]).status.code(),
        Some(5)
    );
    assert_eq!(host.read("results/results.json"), None);
}

#[test]
fn a_job_of_autolab_whose_last_line_is_something_else() {
    let host = Host::new("autolab");
    for name in ["autograde.tar", "autograde-Makefile"] {
        fs::rename(host.path("package").join(name), host.path(name)).unwrap();
    }
    let job = host.path("job");
    fs::create_dir(&job).unwrap();
    fs::copy(host.path("autograde.tar"), job.join("autograde.tar")).unwrap();
    fs::copy(host.path("autograde-Makefile"), job.join("Makefile")).unwrap();
    fs::write(job.join("handin.zip"), "").unwrap();
    // What make would run.
    let makefile = fs::read_to_string(job.join("Makefile")).unwrap();
    let recipe = makefile.lines().filter_map(|line| line.strip_prefix("\t@"));
    let recipe: Vec<&str> = recipe.collect();
    let make = || {
        let mut command = Command::new("sh");
        command.args(["-ec", &format!("cd job; {}", recipe.join("; "))]);
        host.with(command)
    };
    let output = make();
    succeeded(&output);
    assert_eq!(host.asked()[1], job.join("handin.zip").to_str().unwrap());
    let text = String::from_utf8(output.stdout).unwrap();
    let last = json(text.lines().last().unwrap());
    assert_eq!(
        last,
        serde_json::json!({ "scores": { "lab2": 70 }, "scoreboard": [70] })
    );
    host.grades(Outcome::Infrastructure);
    let failed = make();
    assert!(!failed.status.success());
    let text = String::from_utf8(failed.stdout).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(text.lines().last().unwrap()).is_err());
    assert!(text.contains("not your solution"), "{text}");
}

/// A student's repository with one commit at a known time.
fn repository(host: &Host, name: &str) {
    host.write(&format!("{name}/02-ring.rs"), "");
    let mut git = Command::new("bash");
    git.arg("-ec").arg(format!(
        "cd {name}; git init -q; git add .; \
         GIT_COMMITTER_DATE='2026-06-01T16:32:01+02:00' git -c user.name=a -c user.email=a@b.c commit -qm x"
    ));
    succeeded(&host.with(git));
}

/// What the runner of Classroom 50 sets.
const SET: [(&str, &str); 6] = [
    ("CLASSROOM", "os"),
    ("ASSIGNMENT", "ring"),
    ("OWNER", "alice"),
    ("SUBMISSION_TAG", "submit/x"),
    ("COMMIT_URL", "https://example.org/c"),
    ("RELEASE_URL", "https://example.org/r"),
];

#[test]
fn an_autograder_that_classroom50_cannot_run_or_that_makes_zeros() {
    let host = Host::new("classroom50");
    repository(&host, "checkout");
    let grade = || {
        let mut command = Command::new("sh");
        command.args(["-c", "cd checkout && exec python3 ../package/autograder.py"]);
        command.envs(SET);
        host.with(command)
    };
    succeeded(&grade());
    let result = json(&host.read("checkout/result.json").unwrap());
    assert_eq!(
        (&result["score"], &result["max-score"]),
        (&70.into(), &100.into())
    );
    assert_eq!(result["datetime"], "2026-06-01T14:32:01Z");
    assert_eq!(result["owner"], "alice");
    host.grades(Outcome::Infrastructure);
    assert_eq!(grade().status.code(), Some(5));
    assert_eq!(host.read("checkout/result.json"), None);
}

/// The `run:` lines of a workflow's steps, by the steps' names.
fn steps(workflow: &str) -> BTreeMap<String, String> {
    let mut steps = BTreeMap::new();
    let (mut name, mut block) = (String::new(), false);
    for line in workflow.lines() {
        let text = line.trim_start();
        if let Some(named) = text.strip_prefix("- name: ") {
            name = named.to_owned();
            block = false;
        } else if let Some(one) = text.strip_prefix("run: ") {
            block = one == "|";
            steps.insert(
                name.clone(),
                if block { String::new() } else { one.to_owned() },
            );
        } else if text.starts_with("- uses:") {
            block = false;
        } else if block {
            let step = steps.get_mut(&name).unwrap();
            step.push_str(text);
            step.push('\n');
        }
    }
    steps
}

#[test]
fn a_workflow_whose_steps_fail() {
    let host = Host::new("classroom50");
    repository(&host, "submission");
    let steps = steps(&host.read("package/kit-grade.yaml").unwrap());
    let names: Vec<&str> = steps.keys().map(String::as_str).collect();
    assert_eq!(names, ["Grade", "Install the kit", "Name the submission"]);
    assert_eq!(steps["Install the kit"], "bash package/install.sh kit");
    let step = |name: &str, variables: &[(String, String)]| {
        // As GitHub does: bash -e, and variables through a file.
        let mut command = Command::new("bash");
        command.args([
            "--noprofile",
            "--norc",
            "-eo",
            "pipefail",
            "-c",
            &steps[name],
        ]);
        command.envs([
            ("CLASSROOM", "os"),
            ("ASSIGNMENT", "ring"),
            ("USERNAME", "alice"),
        ]);
        command.envs([
            ("COMMIT_URL", "https://x/c"),
            ("RELEASES", "https://x/releases/tag"),
        ]);
        command.env("GITHUB_ENV", host.path("variables"));
        command.envs(variables.iter().cloned());
        host.with(command)
    };
    succeeded(&step("Name the submission", &[]));
    let set = host.read("variables").unwrap();
    let variables: Vec<(String, String)> = set
        .lines()
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    succeeded(&step("Grade", &variables));
    let result = json(&host.read("result.json").unwrap());
    assert_eq!(result["score"], 70);
    assert_eq!(result["datetime"], "2026-06-01T14:32:01Z");
    let tag = result["submission"].as_str().unwrap();
    assert!(tag.starts_with("submit/2026-06-01T14-32-01Z-"), "{tag}");
    assert_eq!(
        result["release"],
        format!("https://x/releases/tag/{}", tag.replace('/', "%2F"))
    );
    host.grades(Outcome::Infrastructure);
    assert_eq!(step("Grade", &variables).status.code(), Some(5));
}

#[test]
fn an_array_of_slurm_that_leaves_a_submission_out() {
    let host = Host::new("slurm");
    for name in ["a b", "c", "*"] {
        host.write(&format!("in/{name}/02-ring.rs"), "");
    }
    // It says what it was told, and the number of a job.
    host.write(
        "bin/sbatch",
        &format!(
            "#!/bin/sh\nprintf '%s\\n' \"$*\" >>{}\necho 7\n",
            host.path("told").display()
        ),
    );
    fs::set_permissions(host.path("bin/sbatch"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        host.path("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let folders = ["kit", "in", "out"].map(|name| host.path(name));
    let mut submit = Command::new("bash");
    submit
        .arg(host.path("package/submit.sh"))
        .args(&folders)
        .arg("2")
        .env("PATH", path);
    succeeded(&host.with(submit));
    let told = host.read("told").unwrap();
    assert!(
        told.contains("--array=0-2%2") && told.contains("--dependency=afterany:7"),
        "{told}"
    );
    let mut graded = Vec::new();
    for task in ["0", "1", "2"] {
        let mut job = Command::new("bash");
        job.arg(host.path("package/array.sbatch")).args(&folders);
        succeeded(&host.with({
            job.env("SLURM_ARRAY_TASK_ID", task);
            job
        }));
        let name = PathBuf::from(&host.asked()[1]);
        graded.push(name.file_name().unwrap().to_str().unwrap().to_owned());
    }
    graded.sort_unstable();
    assert_eq!(graded, ["*", "a b", "c"]);
    let folders = folders.each_ref().map(PathBuf::as_path);
    succeeded(&host.run("package/summary.sbatch", &folders));
    assert_eq!(host.asked()[1], "--batch");
}

#[test]
fn a_package_with_solutions_or_without_what_grading_needs() {
    let host = Host::new("prairielearn");
    let file = fs::File::open(host.path("package/kit.tar.gz")).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let entries = archive.entries().unwrap();
    let names: Vec<String> = entries
        .map(|entry| entry.unwrap().path().unwrap().to_str().unwrap().to_owned())
        .collect();
    for needed in [
        "kit/Cargo.lock",
        "kit/Cargo.toml",
        "kit/.cargo/config.toml",
        "kit/kernel/hw/src/lib.rs",
        "kit/labs/02-ring/starter.rs",
        // Checks of labs 8 and 9 hold students' scripts against these.
        "kit/labs/04-everyone-at-once/reference.rs",
        "kit/labs/05-answer/wrong/half.rs",
    ] {
        assert!(names.iter().any(|name| name == needed), "{needed}");
    }
    for secret in [
        "02-ring/reference.rs",
        "02-ring/wrong",
        "instructor.md",
        "labs/work",
        "kit/target",
        "kit/.git/",
    ] {
        assert!(!names.iter().any(|name| name.contains(secret)), "{secret}");
    }
}

#[test]
fn a_script_with_an_error_in_its_syntax() {
    for platform in [
        "gradescope",
        "prairielearn",
        "autolab",
        "classroom50",
        "slurm",
    ] {
        let host = Host::new(platform);
        if platform == "gradescope" {
            unzipped(&host.path("package/autograder.zip"), &host.path("package"));
        }
        for entry in fs::read_dir(host.path("package")).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("@LAB"), "{}", path.display());
            if text.starts_with("#!/usr/bin/env bash") {
                let mut check = Command::new("bash");
                check.arg("-n").arg(&path);
                succeeded(&host.with(check));
            }
        }
    }
}

#[test]
fn a_package_written_over_something_or_without_a_lab() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "").unwrap();
    let export = |words: &[&str]| {
        let output = Command::new(KIT)
            .arg("export")
            .args(words)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let there = folder.path().to_str().unwrap();
    let (status, said) = export(&["slurm", there, "--lab", "2"]);
    assert_eq!(status, Some(2));
    assert!(said.contains("is not empty"), "{said}");
    let (status, said) = export(&["slurm", &format!("{there}/new")]);
    assert_eq!(status, Some(2));
    assert!(said.contains("--lab N"), "{said}");
    let (status, said) = export(&["junit", &format!("{there}/new"), "--lab", "2"]);
    assert_eq!(status, Some(2));
    assert!(said.contains("--convert"), "{said}");
    assert_eq!(export(&["gradescope", "--convert", there]).0, Some(5));
}

/// A submission of lab 2 that does everything right but one thing.
fn one_by_one() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../labs/02-ring/wrong/one-by-one.rs")
}

#[test]
fn a_real_verdict_that_platforms_show_otherwise() {
    let host = Host::new("gradescope");
    unzipped(&host.path("package/autograder.zip"), &host.path("source"));
    let env = format!("KIT={KIT}\nKIT_TIER=strong\n");
    host.write("kit/env", &env);
    let solution = fs::read_to_string(one_by_one()).unwrap();
    host.write("submission/02-ring.rs", &solution);
    succeeded(&host.run("source/run_autograder", &[]));
    let results = json(&host.read("results/results.json").unwrap());
    assert_eq!(results["score"], 90);
    let tests = results["tests"].as_array().unwrap();
    let sum = |field: &str| {
        tests
            .iter()
            .map(|test| test[field].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!((sum("score"), sum("max_score")), (90, 100));
    let failed: Vec<_> = tests
        .iter()
        .filter(|test| test["status"] == "failed")
        .collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!(failed[0]["name"], "lab 2: shorthand");
    let output = failed[0]["output"].as_str().unwrap();
    for words in [
        "Expected: ",
        "Seen: ",
        "Hint: ",
        "cargo kit explore 2",
        "CPU 0",
    ] {
        assert!(output.contains(words), "{words}: {output}");
    }

    // The same submission as a report of its own, as the others read it.
    let report = host.path("report.json");
    let mut grade = Command::new(KIT);
    grade
        .arg("grade")
        .arg(one_by_one())
        .args(["--lab", "2", "--report"])
        .arg(&report);
    succeeded(&host.with(grade));
    let convert = |platform: &str| {
        let mut convert = Command::new(KIT);
        convert.args(["export", platform, "--convert"]).arg(&report);
        convert
            .envs(SET)
            .env("SUBMITTED_AT", "2026-06-01T14:32:01Z");
        let output = host.with(convert);
        succeeded(&output);
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(json(&convert("gradescope")), results);
    assert_eq!(json(&convert("prairielearn"))["score"], 0.9);
    let printed = convert("autolab");
    assert_eq!(json(printed.lines().last().unwrap())["scores"]["lab2"], 90);
    assert_eq!(json(&convert("classroom50"))["score"], 90);
    let xml = quick_junit::Report::deserialize_from_str(&convert("junit")).unwrap();
    assert_eq!((xml.tests, xml.failures, xml.errors), (tests.len(), 1, 0));
}

#[test]
fn a_submission_that_brings_a_kit_of_its_own() {
    let host = Host::new("slurm");
    // What a kit is known by, around the student's solution.
    for name in ["Cargo.toml", "kernel/shootdown/x", "grader/x"] {
        host.write(name, "");
    }
    host.write("labs/manifest.toml", "");
    let mut grade = Command::new(KIT);
    // As without `cargo run`, in the submission.
    grade.env_remove("CARGO_MANIFEST_DIR");
    grade.args([
        "grade",
        "nothing.rs",
        "--lab",
        "2",
        "--report",
        "report.json",
    ]);
    succeeded(&host.with(grade));
    let report = Report::read(&host.path("report.json")).unwrap();
    assert_eq!((report.title.as_str(), report.of), ("Ring", 100));
}

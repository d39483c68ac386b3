//! `netkv emit`: the lines that have an experiment run in shards elsewhere. They are all that a scheduler is told: what is
//! done and what is not, the store knows.

use super::load;
use crate::args::{EmitArgs, EmitCommand};
use crate::failure::{Ending, Failure};
use crate::kin::quoted;
use crate::output::{print, tell};
use netkv_grid::Experiment;

/// Prints them.
pub fn emit(command: &EmitCommand) -> Result<Ending, Failure> {
    let (args, write): (&EmitArgs, fn(&Job) -> String) = match command {
        EmitCommand::Slurm(args) => (args, slurm),
        EmitCommand::Parallel(args) => (args, parallel),
        EmitCommand::K8s(args) => (args, k8s),
    };
    let experiment = load(&args.experiment, args.place.quick, &args.changes)?;
    let (n_cells, shards) = (experiment.n_cells(), args.shards.get());
    if shards > n_cells {
        tell(&format!("note: {n_cells} cells in {shards} shards: {} of them have nothing to do", shards - n_cells));
    }
    if let [first, .., most] = experiment.replications().looks() {
        tell(&format!(
            "note: replications of {first} to {most} seeds: when gather ends with 3 and says so, submit the same again"
        ));
    }
    print(&write(&Job::new(&experiment, args)))?;
    Ok(Ending::Done)
}

/// What is to be run.
struct Job {
    name: String,
    n_cells: usize,
    shards: usize,
    jobs: usize,
    image: String,
    /// Experiment and options, as a shell takes them.
    run: String,
    gather: String,
}

impl Job {
    fn new(experiment: &Experiment, args: &EmitArgs) -> Self {
        let mut options = String::new();
        if args.place.quick {
            options.push_str(" --quick");
        }
        let out = args.place.out.as_ref().map(|out| out.display().to_string());
        if let Some(out) = &out {
            options.push_str(&format!(" --out {}", quoted(out)));
        }
        let all = out.unwrap_or_else(|| if args.place.quick { "results/quick" } else { "results" }.to_owned());
        let changes = experiment.arguments();
        let changes = changes.strip_prefix(&experiment.path().display().to_string()).unwrap_or_default();
        let file = quoted(&experiment.path().display().to_string());
        let folder = quoted(&format!("{all}/{}", experiment.name()));
        Self {
            name: plain(experiment.name()),
            n_cells: experiment.n_cells(),
            shards: args.shards.get(),
            jobs: args.jobs.get(),
            image: args.image.clone(),
            run: format!("netkv run {file}{changes}{options} --quiet"),
            gather: format!("netkv gather {folder} --experiment {file}{changes}{options}"),
        }
    }
}

/// A name that every scheduler takes: small letters, digits and hyphens.
fn plain(name: &str) -> String {
    let each = |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte.to_ascii_lowercase()) } else { '-' };
    name.bytes().map(each).collect::<String>().trim_matches('-').chars().take(50).collect()
}

fn slurm(job: &Job) -> String {
    let Job { name, n_cells, shards, jobs, run, gather, .. } = job;
    format!(
        "#!/bin/bash
# {n_cells} cells in {shards} shards: sbatch THIS_FILE, in a folder that every node sees. Submit it again after any failure:
# it runs what is missing. The tables, once the array has ended well or not:
#   sbatch --dependency=afterany:JOB --wrap \"{gather}\"
#SBATCH --job-name={name}
#SBATCH --array=1-{shards}
#SBATCH --cpus-per-task={jobs}
#SBATCH --requeue
set -eu
{run} --jobs {jobs} --shard \"$SLURM_ARRAY_TASK_ID/{shards}\"
"
    )
}

fn parallel(job: &Job) -> String {
    let Job { n_cells, shards, jobs, run, gather, .. } = job;
    format!(
        "#!/bin/sh
# {n_cells} cells in {shards} shards, as many at once as there are cores. Hosts that see this folder: add
# --sshlogin host1,host2 --workdir . behind parallel. After any failure: the same again, it runs what is missing.
set -u
seq {shards} | parallel --retries 2 '{}'
{gather}
",
        format!("{run} --jobs {jobs} --shard {{}}/{shards}").replace('\'', "'\\''")
    )
}

fn k8s(job: &Job) -> String {
    let Job { name, n_cells, shards, jobs, image, run, gather } = job;
    let yaml = |text: String| serde_json::Value::from(text).to_string();
    let image = yaml(image.clone());
    let command = yaml(format!("{run} --jobs {jobs} --shard $((JOB_COMPLETION_INDEX + 1))/{shards}"));
    format!(
        "# {n_cells} cells in {shards} shards: kubectl apply -f THIS_FILE. The volume claim netkv holds experiments and results, and
# every node may write to it (ReadWriteMany). When the job is complete, where that volume is: {gather}
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
spec:
  completionMode: Indexed
  completions: {shards}
  parallelism: {shards}
  backoffLimitPerIndex: 3
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: netkv
          image: {image}
          workingDir: /work
          command: [\"sh\", \"-c\", {command}]
          resources:
            requests: {{ cpu: \"{jobs}\" }}
          volumeMounts:
            - {{ name: work, mountPath: /work }}
      volumes:
        - {{ name: work, persistentVolumeClaim: {{ claimName: netkv }} }}
"
    )
}

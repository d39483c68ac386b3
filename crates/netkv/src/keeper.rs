//! Putting finished cells on the disk, as many at once as there are. A cell counts as finished only when it is there, so a
//! Ctrl-C or a crash loses no finished cell.

use crate::failure::{Blame, Failure, Writing};
use crate::progress::Progress;
use crate::sharing::Sharing;
use netkv_grid::{Finished, Segment, SegmentHeader, Status};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;

/// Puts finished cells on the disk, all that wait at once, until there are no more, and gives up their claims then. The
/// segment is begun with the first of them. If the disk fails, no cell is begun any more.
pub fn keep(
    finished: Receiver<Result<Finished, Failure>>,
    folder: &Path,
    header: &SegmentHeader,
    sharing: &Sharing,
    mut progress: Progress,
    stop: &AtomicBool,
) -> Result<(), Failure> {
    let mut segment: Option<Segment> = None;
    let mut written = Ok(());
    while let (Ok(()), Ok(first)) = (&written, finished.recv()) {
        let waiting = std::iter::once(first).chain(finished.try_iter());
        let (batch, failures): (Vec<_>, Vec<_>) = waiting.partition(Result::is_ok);
        let batch: Vec<Finished> = batch.into_iter().flatten().collect();
        let n_failed = batch.iter().filter(|cell| matches!(cell.status, Status::Failed { .. })).count();
        written = write(&mut segment, folder, header, &batch);
        if written.is_ok() {
            batch.iter().for_each(|cell| sharing.release(&cell.key.to_string()));
            progress.add(batch.len() - n_failed, n_failed);
        }
        if let Some(failure) = failures.into_iter().find_map(Result::err) {
            written = written.and(Err(failure));
        }
    }
    if written.is_err() {
        stop.store(true, Ordering::Relaxed);
    }
    progress.finish();
    written
}

fn write(
    segment: &mut Option<Segment>,
    folder: &Path,
    header: &SegmentHeader,
    batch: &[Finished],
) -> Result<(), Failure> {
    if batch.is_empty() {
        return Ok(());
    }
    let (path, done) = match segment {
        Some(segment) => (segment.path().to_owned(), segment.append(batch)),
        None => (folder.to_owned(), Segment::start(folder, header, batch).map(|started| *segment = Some(started))),
    };
    match done {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let path = path.display();
            let gone = format!(
                "cannot write {path}: the folder was removed or renamed while cells of it were run; what they found is lost: \
                 the same command runs them again"
            );
            Err(Failure::new(Blame::Machine, anyhow::Error::new(error).context(gone)))
        }
        Ok(()) | Err(_) => done.writing(path.display()),
    }
}

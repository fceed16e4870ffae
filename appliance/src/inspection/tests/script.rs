//! A walk that does as a test says.

use super::*;

/// What a walk does at a file.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// The worker dies at it, until the circuit opens.
    Die(Digest),
    /// The same, when it is read to be listed.
    DieVerifying(Digest),
    /// Reading it fails with this number.
    Unreadable(Digest, i32),
    /// Whoever reads it stands still before it, until that is given up.
    Stand(Digest),
}

impl Act {
    fn digest(&self) -> &Digest {
        match self {
            Self::Die(digest)
            | Self::DieVerifying(digest)
            | Self::Unreadable(digest, _)
            | Self::Stand(digest) => digest,
        }
    }
}

pub(super) type Meanwhile = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// Walks through the folders itself, a file a step.
#[derive(Default)]
pub(super) struct Scripted {
    pub(super) dir: PathBuf,
    pub(super) acts: Mutex<Vec<Act>>,
    pub(super) walks: Mutex<Vec<Walk>>,
    /// The acts are for these walks only.
    pub(super) only: Mutex<Option<Task>>,
    /// Done when all was looked at and nothing is told yet.
    pub(super) meanwhile: Mutex<Option<Meanwhile>>,
    /// The same, when files were read to be listed.
    pub(super) before_listing: Mutex<Option<Meanwhile>>,
}

impl Scripted {
    fn names(&self, folder: Folder) -> Vec<Name> {
        let list = fs::read_dir(self.dir.join(folder.to_string())).expect("listed");
        let mut names: Vec<Name> = list
            .map(|file| {
                let name = file.expect("listed").file_name();
                name.to_str().expect("text").parse().expect("a name")
            })
            .collect();
        names.sort();
        names
    }

    fn look(&self, folder: Folder, name: &Name, what: Task) -> (Finding, u64) {
        let path = self.dir.join(folder.to_string()).join(name.to_string());
        let metadata = fs::metadata(&path).expect("there");
        let size = metadata.len();
        let modified = metadata.modified().expect("a time");
        let modified = modified.duration_since(UNIX_EPOCH).expect("late").as_secs();
        let name = name.clone();
        let finding = match (what, name.digest()) {
            (_, None) => Finding::Foreign {
                folder,
                name,
                kind: crate::janitor::Kind::File,
            },
            (Task::Verify, Some(digest)) => {
                let found = Digest::of(Algorithm::Sha256, &fs::read(path).expect("read"));
                let stamp = Stamp::of(&metadata);
                if found == digest {
                    Finding::Whole { name, stamp }
                } else {
                    Finding::Wrong {
                        name,
                        found: Name::from(&found),
                        stamp,
                    }
                }
            }
            (Task::Scrub, Some(digest)) => {
                let found = Digest::of(Algorithm::Sha256, &fs::read(path).expect("read"));
                if found == digest {
                    Finding::Verified { name, size }
                } else {
                    Finding::Mismatch {
                        name,
                        found: Name::from(&found),
                        size,
                    }
                }
            }
            _ => Finding::File {
                folder,
                name,
                size,
                modified: i64::try_from(modified).expect("soon"),
            },
        };
        (finding, size)
    }
}

impl Walker for Scripted {
    fn walk(
        &self,
        walk: Walk,
        _: Pace,
        steps: mpsc::Sender<Step>,
    ) -> BoxFuture<'_, Result<Report, JobError>> {
        async move {
            self.walks.lock().push(walk.clone());
            let task = walk.task();
            let mut progress = Progress::at(walk.from().clone());
            let unread = |progress: &Progress| JobError::Unread {
                task,
                reached: progress.cursor.clone(),
            };
            let mut all = VecDeque::new();
            for folder in [Folder::Blobs, Folder::Fills] {
                for name in self.names(folder) {
                    let at = Cursor::past(folder, name.clone());
                    let asked_for = match &walk {
                        Walk::Scan { .. } => true,
                        Walk::Scrub { .. } => folder == Folder::Blobs,
                        Walk::Verify { names, .. } => folder == Folder::Blobs && names.contains(&name),
                    };
                    if at > *walk.from() && asked_for {
                        all.push_back((at, name.clone(), self.look(folder, &name, task)));
                    }
                }
            }
            let meanwhile = match task {
                Task::Verify => self.before_listing.lock().take(),
                _ => self.meanwhile.lock().take(),
            };
            if let Some(meanwhile) = meanwhile {
                meanwhile().await;
            }
            for (at, name, (mut finding, size)) in all {
                let act = self
                    .acts
                    .lock()
                    .iter()
                    .find(|act| Some(*act.digest()) == name.digest())
                    .filter(|_| self.only.lock().is_none_or(|only| only == task))
                    .cloned();
                match act {
                    Some(Act::DieVerifying(_)) if task != Task::Verify => {}
                    Some(Act::Die(_) | Act::DieVerifying(_)) => {
                        return Err(JobError::CircuitOpen {
                            task,
                            until: Instant::now() + Duration::from_secs(30),
                            reached: progress.cursor,
                            why: Failure::Silent {
                                within: Duration::from_secs(1),
                                at: Some(name),
                            },
                        });
                    }
                    Some(Act::Stand(_)) if task != Task::Scan => {
                        steps.closed().await;
                        return Err(unread(&progress));
                    }
                    Some(Act::Unreadable(_, errno)) => {
                        finding = Finding::Unreadable {
                            folder: at.folder(),
                            name: name.clone(),
                            why: Refusal {
                                text: "cannot".to_owned(),
                                errno: Some(errno),
                            },
                        };
                    }
                    Some(Act::Stand(_)) | None => {}
                }
                progress.cursor = at;
                progress.files += 1;
                progress.bytes += size;
                let step = Step {
                    findings: vec![finding],
                    progress: progress.clone(),
                };
                if steps.send(step).await.is_err() {
                    return Err(unread(&progress));
                }
            }
            progress.cursor = progress.cursor.max(Cursor::start_of(Folder::Fills));
            let last = Step {
                findings: Vec::new(),
                progress: progress.clone(),
            };
            steps.send(last).await.map_err(|_| unread(&progress))?;
            Ok(Report {
                progress,
                restarts: 0,
                part: Part::Asked,
            })
        }
        .boxed()
    }
}

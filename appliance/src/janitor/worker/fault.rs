//! A worker that goes wrong when told to, to see that its parent copes.
//!
//! Only in debug builds: `LARDER_JANITOR_FAULT=hang@scrub:3` hangs at the beginning of the third step of this
//! worker's scrubs. Also `exit`, `abort` and `eat-memory`; at `unlink`, `scan`, `scrub` and
//! `verify`. Must not know: what a
//! step does.

use crate::janitor::job::Task;

#[cfg(not(debug_assertions))]
#[derive(Debug)]
pub(super) struct Fault;

#[cfg(not(debug_assertions))]
impl Fault {
    pub(super) const fn told() -> Self {
        Self
    }

    pub(super) const fn none() -> Self {
        Self
    }

    pub(super) const fn strike(&mut self, _: Task) {}
}

#[cfg(debug_assertions)]
pub(super) use told::Fault;

#[cfg(debug_assertions)]
mod told {
    use super::Task;
    use crate::janitor::FAULT_VARIABLE;

    /// What goes wrong, and when.
    #[derive(Debug, Default)]
    pub(in super::super) struct Fault {
        plan: Option<Plan>,
    }

    #[derive(Debug)]
    struct Plan {
        kind: String,
        task: String,
        steps_left: u64,
    }

    impl Fault {
        pub(in super::super) fn told() -> Self {
            let plan = std::env::var(FAULT_VARIABLE).ok().map(|text| parse(&text));
            Self { plan }
        }

        pub(in super::super) fn none() -> Self {
            Self::default()
        }

        /// To be called at the beginning of each step.
        pub(in super::super) fn strike(&mut self, task: Task) {
            let Some(plan) = &mut self.plan else { return };
            if plan.task != task.name() {
                return;
            }
            plan.steps_left = plan.steps_left.wrapping_sub(1);
            if plan.steps_left != 0 {
                return;
            }
            eprintln!("told to {} in a {}", plan.kind, plan.task);
            match plan.kind.as_str() {
                "hang" => loop {
                    std::thread::park();
                },
                "exit" => {
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "a worker that goes wrong tidies nothing up"
                    )]
                    std::process::exit(3);
                }
                "abort" => std::process::abort(),
                "eat-memory" => {
                    let mut eaten = Vec::new();
                    loop {
                        eaten.push(vec![1_u8; 1 << 20]);
                        std::hint::black_box(&eaten);
                    }
                }
                other => panic!("{FAULT_VARIABLE}: there is no fault `{other}`"),
            }
        }
    }

    fn parse(text: &str) -> Plan {
        let parts = text.split_once('@').and_then(|(kind, rest)| {
            let (task, step) = rest.split_once(':')?;
            Some((kind, task, step.parse().ok()?))
        });
        let Some((kind, task, steps_left)) = parts else {
            panic!("{FAULT_VARIABLE}: write KIND@JOB:STEP, as `hang@scrub:3`, not `{text}`");
        };
        Plan {
            kind: kind.into(),
            task: task.into(),
            steps_left,
        }
    }
}

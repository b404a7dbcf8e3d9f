//! Running out of file descriptors slows work down, it does not fail it.
//!
//! Whoever hits the limit lets go of all it holds, waits and starts over, so no two operations can wait
//! for each other's descriptors.

use std::time::Duration;

use super::control::Control;
use crate::error::{Error, Result};

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// After this long without a descriptor the original error stands.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `attempt` until it fails for another reason than missing descriptors, or succeeds.
pub(super) fn retry<T>(
    control: &mut Control<'_>,
    mut attempt: impl FnMut(&mut Control<'_>) -> Result<T>,
    mut pause: impl FnMut(Duration),
) -> Result<T> {
    let (mut next, mut waited) = (FIRST_PAUSE, Duration::ZERO);
    loop {
        match attempt(control) {
            Err(error) if is_limit(&error) && waited < PATIENCE => {
                (control.before_wait)();
                pause(next);
                waited += next;
                next = (next * 2).min(LONGEST_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

fn is_limit(error: &Error) -> bool {
    matches!(error, Error::System(error) if matches!(error.code(), "EMFILE" | "ENFILE"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::error::SystemError;

    fn failure(errno: i32) -> Error {
        SystemError::new(&std::io::Error::from_raw_os_error(errno), "open").into()
    }

    #[test]
    fn waits_for_descriptors_and_gives_up_with_the_original_error() {
        let (mut waited, mut left) = (Duration::ZERO, 3);
        let attempt = |_: &mut Control<'_>| {
            left -= 1;
            if left > 0 { Err(failure(libc::ENFILE)) } else { Ok('x') }
        };
        assert_eq!(
            Control::unwatched(|control| retry(control, attempt, |pause| waited += pause)).unwrap(),
            'x'
        );
        assert_eq!(waited, FIRST_PAUSE * 3);

        let mut waited = Duration::ZERO;
        let error = Control::unwatched(|control| {
            retry::<()>(control, |_| Err(failure(libc::EMFILE)), |pause| waited += pause)
        })
        .unwrap_err();
        assert_eq!(error.code(), "EMFILE");
        assert!(waited >= PATIENCE && waited < PATIENCE + LONGEST_PAUSE);
    }

    #[test]
    fn other_errors_stand_at_once() {
        let attempt = |_: &mut Control<'_>| Err::<(), _>(failure(libc::ENOENT));
        let error =
            Control::unwatched(|control| retry(control, attempt, |_| panic!("must not wait")))
                .unwrap_err();
        assert_eq!(error.code(), "ENOENT");
    }
}

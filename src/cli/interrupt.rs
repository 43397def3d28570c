//! Ctrl-C and SIGTERM: the first lets a run end well, the second stops it at once.

use tokio::sync::watch;

use crate::apply::Interrupt;

use super::terminal::Terminal;

/// The process exits with it when it is interrupted before anything was written.
pub(super) const INTERRUPTED: u8 = 130;

/// From now on signals don't kill the process: they are told here. SIGTERM counts as a first Ctrl-C, however often it comes.
pub(super) fn listen(terminal: Terminal) -> watch::Receiver<Interrupt> {
    let (tell, told) = watch::channel(Interrupt::None);
    tokio::spawn(async move {
        let mut terminated = terminations();
        loop {
            let again = tokio::select! {
                pressed = tokio::signal::ctrl_c() => pressed.is_ok(),
                () = next(&mut terminated) => false,
            };
            let now = *tell.borrow();
            match now {
                Interrupt::None => {
                    terminal.complain("\ninterrupted: nothing new is started, what is under way may end; once more stops at once\n");
                    tell.send_replace(Interrupt::First);
                }
                Interrupt::Second => return,
                _ if again => {
                    tell.send_replace(Interrupt::Second);
                }
                _ => {}
            }
        }
    });
    told
}

/// Ends when somebody interrupts.
pub(super) async fn interrupted(mut told: watch::Receiver<Interrupt>) {
    if told.wait_for(|interrupt| *interrupt != Interrupt::None).await.is_err() {
        // Nobody listens to signals any more: they never come.
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
type Terminations = Option<tokio::signal::unix::Signal>;

#[cfg(unix)]
fn terminations() -> Terminations {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok()
}

#[cfg(unix)]
async fn next(terminations: &mut Terminations) {
    let came = match terminations {
        Some(signals) => signals.recv().await.is_some(),
        None => false,
    };
    if !came {
        std::future::pending::<()>().await;
    }
}

#[cfg(not(unix))]
type Terminations = ();

#[cfg(not(unix))]
fn terminations() -> Terminations {}

#[cfg(not(unix))]
async fn next((): &mut Terminations) {
    std::future::pending::<()>().await;
}

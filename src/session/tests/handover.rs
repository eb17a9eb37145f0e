//! One login, each host its token.

use super::*;

const BLOG: &str = "blog.example";
const NONCE: [u8; 32] = [5; 32];

fn handover() -> Event {
    Event::new(
        Timestamp::from_millis(0),
        EventKind::HandleIssued,
        "handover",
    )
}

impl World {
    /// The token of another host.
    pub(super) async fn handed_over(&self, session: &Session, host: &str) -> Token {
        let ticket = self
            .sessions
            .hand_over(session, host, &NONCE)
            .await
            .unwrap();
        let cookie = self
            .sessions
            .redeem(&ticket, (host, &NONCE), handover())
            .await
            .unwrap()
            .unwrap();
        self.sessions.token(cookie.as_bytes(), host).unwrap()
    }
}

#[tokio::test]
async fn a_ticket_gives_the_other_host_its_own_token() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        let ticket = world
            .sessions
            .hand_over(&opened.session, BLOG, &NONCE)
            .await
            .unwrap();
        world.clock.advance(SECOND * 59);
        let cookie = world
            .sessions
            .redeem(&ticket, (BLOG, &NONCE), handover())
            .await
            .unwrap()
            .unwrap();
        assert!(world.sessions.token(cookie.as_bytes(), HOST).is_none());
        let there = world.sessions.token(cookie.as_bytes(), BLOG).unwrap();
        assert_ne!(there.hash(), opened.token.hash());
        world.sessions.follow().await.unwrap();
        let session = world.request(&there).await.unwrap().unwrap();
        assert_eq!(session.id(), opened.session.id());
        // Once.
        assert!(
            world
                .sessions
                .redeem(&ticket, (BLOG, &NONCE), handover())
                .await
                .unwrap()
                .is_none()
        );
        // One session: it ends on both.
        assert!(world.revoke(&opened.session).await);
        assert!(!world.is_in(&there).await && !world.is_in(&opened.token).await);
    }
}

#[tokio::test]
async fn a_ticket_that_is_shown_wrongly_is_void() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        for (host, nonce) in [
            ("evil.example", NONCE),
            ("blog.exampl", NONCE),
            (BLOG, [6; 32]),
            (HOST, NONCE),
        ] {
            let ticket = world
                .sessions
                .hand_over(&opened.session, BLOG, &NONCE)
                .await
                .unwrap();
            let wrong = world
                .sessions
                .redeem(&ticket, (host, &nonce), handover())
                .await
                .unwrap();
            assert!(wrong.is_none(), "{host}");
            let right = world
                .sessions
                .redeem(&ticket, (BLOG, &NONCE), handover())
                .await
                .unwrap();
            assert!(right.is_none(), "{host}: void after that");
        }
        assert!(
            world
                .sessions
                .redeem(&[9; 32], (BLOG, &NONCE), handover())
                .await
                .unwrap()
                .is_none()
        );
    }
}

#[tokio::test]
async fn a_ticket_lives_for_a_minute() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        let ticket = world
            .sessions
            .hand_over(&opened.session, BLOG, &NONCE)
            .await
            .unwrap();
        world.clock.advance(SECOND * 60);
        assert!(
            world
                .sessions
                .redeem(&ticket, (BLOG, &NONCE), handover())
                .await
                .unwrap()
                .is_none()
        );
    }
}

#[tokio::test]
async fn a_ticket_opens_no_session_that_ended() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        let ticket = world
            .sessions
            .hand_over(&opened.session, BLOG, &NONCE)
            .await
            .unwrap();
        assert!(world.revoke(&opened.session).await);
        assert!(
            world
                .sessions
                .redeem(&ticket, (BLOG, &NONCE), handover())
                .await
                .unwrap()
                .is_none()
        );
    }
}

#[tokio::test]
async fn many_at_once_get_one_token() {
    for world in World::each().await {
        let opened = world.sign_in("alice").await;
        let ticket = world
            .sessions
            .hand_over(&opened.session, BLOG, &NONCE)
            .await
            .unwrap();
        let racing: Vec<_> = (0..8)
            .map(|_| {
                let sessions = world.sessions.clone();
                tokio::spawn(async move {
                    sessions
                        .redeem(&ticket, (BLOG, &NONCE), handover())
                        .await
                        .unwrap()
                })
            })
            .collect();
        let mut won = 0;
        for one in racing {
            won += usize::from(one.await.unwrap().is_some());
        }
        assert_eq!(won, 1);
    }
}

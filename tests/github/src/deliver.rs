//! Webhooks: signed, and lost, doubled and out of order where tests want it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::Body;
use axum::http::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ring::hmac;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::command::HookOptions;
use crate::random::Random;

/// How long GitHub waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where events go.
#[derive(Clone)]
pub(crate) struct Hooks {
    state: Arc<Mutex<State>>,
    queue: mpsc::UnboundedSender<Order>,
    under_way: Arc<AtomicUsize>,
}

struct State {
    options: Option<HookOptions>,
    random: Random,
    deliveries: Vec<Delivery>,
}

struct Delivery {
    id: String,
    event: &'static str,
    payload: String,
    told: Value,
    is_lost: bool,
    answers: Vec<u16>,
}

/// One sending of one delivery.
struct Order {
    index: usize,
    options: HookOptions,
    delay: u64,
}

impl Hooks {
    pub(crate) fn new() -> Self {
        let (queue, orders) = mpsc::unbounded_channel();
        let state = State { options: None, random: Random::new(0), deliveries: Vec::new() };
        let hooks = Self { state: Arc::new(Mutex::new(state)), queue, under_way: Arc::default() };
        tokio::spawn(work(Arc::downgrade(&hooks.state), hooks.under_way.clone(), orders));
        hooks
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the deliveries")
    }

    /// Chooses where events go from now on.
    pub(crate) fn set(&self, options: HookOptions) {
        let mut state = self.state();
        state.random = Random::new(options.seed);
        state.options = Some(options);
    }

    /// Lets an event happen. `told` is what tests want to know of it.
    pub(crate) fn happen(&self, event: &'static str, payload: &Value, told: Value) {
        let mut state = self.state();
        let Some(options) = state.options.clone() else { return };
        let id = uuid(state.random.next(), state.deliveries.len() as u64);
        let is_lost = state.random.percent(options.lost);
        let times = if is_lost { 0 } else { 1 + usize::from(state.random.percent(options.twice)) };
        let delays: Vec<u64> = (0..times)
            .map(|_| if options.delay == 0 { 0 } else { state.random.below(options.delay + 1) })
            .collect();
        let index = state.deliveries.len();
        state.deliveries.push(Delivery {
            id,
            event,
            payload: payload.to_string(),
            told,
            is_lost,
            answers: Vec::new(),
        });
        drop(state);
        for delay in delays {
            self.send(Order { index, options: options.clone(), delay });
        }
    }

    /// Sends a delivery again, under its id.
    pub(crate) fn redeliver(&self, id: &str) -> Result<()> {
        let state = self.state();
        let index = state.deliveries.iter().position(|one| one.id == id);
        let index = index.with_context(|| format!("there is no delivery `{id}`"))?;
        let options = state.options.clone().context("no receiver was named")?;
        drop(state);
        self.send(Order { index, options, delay: 0 });
        Ok(())
    }

    fn send(&self, order: Order) {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        // The worker ends with the double only.
        let _ = self.queue.send(order);
    }

    /// Waits until all that was ordered is done.
    pub(crate) async fn settle(&self) {
        while self.under_way.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn deliveries(&self) -> Value {
        let shown = |one: &Delivery| {
            let mut shown = one.told.clone();
            shown["id"] = one.id.clone().into();
            shown["event"] = one.event.into();
            shown["lost"] = one.is_lost.into();
            shown["answers"] = json!(one.answers);
            shown
        };
        self.state().deliveries.iter().map(shown).collect()
    }
}

/// Sends in order what has no delay, and the rest when its time comes.
async fn work(
    state: std::sync::Weak<Mutex<State>>,
    under_way: Arc<AtomicUsize>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    while let Some(order) = orders.recv().await {
        let (state, under_way, client) = (state.clone(), under_way.clone(), client.clone());
        if order.delay == 0 {
            carry(&state, &under_way, &client, order).await;
        } else {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(order.delay)).await;
                carry(&state, &under_way, &client, order).await;
            });
        }
    }
}

async fn carry(
    state: &std::sync::Weak<Mutex<State>>,
    under_way: &AtomicUsize,
    client: &Client<HttpConnector, Body>,
    order: Order,
) {
    if let Some(state) = state.upgrade() {
        let request = {
            let state = state.lock().expect("nothing panics while it holds the deliveries");
            request(&state.deliveries[order.index], &order.options)
        };
        let status = match request {
            Ok(request) => match tokio::time::timeout(PATIENCE, client.request(request)).await {
                Ok(Ok(response)) => response.status().as_u16(),
                Ok(Err(_)) | Err(_) => 0,
            },
            Err(_) => 0,
        };
        state.lock().expect("nothing panics while it holds the deliveries").deliveries[order.index]
            .answers
            .push(status);
    }
    under_way.fetch_sub(1, Ordering::SeqCst);
}

fn request(delivery: &Delivery, options: &HookOptions) -> Result<Request<Body>> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, options.secret.as_bytes());
    let tag = hmac::sign(&key, delivery.payload.as_bytes());
    let signature: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Request::post(&options.url)
        .header("user-agent", "GitHub-Hookshot/double")
        .header("content-type", "application/json")
        .header("x-github-event", delivery.event)
        .header("x-github-delivery", &delivery.id)
        .header("x-github-hook-id", "1")
        .header("x-hub-signature-256", format!("sha256={signature}"))
        .body(Body::from(delivery.payload.clone()))?)
}

/// An id in the form that GitHub's have, never twice.
fn uuid(random: u64, number: u64) -> String {
    let (high, low) = (random >> 32, random & 0xffff_ffff);
    format!("{high:08x}-{:04x}-4{:03x}-8000-{number:012x}", low >> 16, low & 0xfff)
}

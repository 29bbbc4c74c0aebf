//! [`Health`]: what is known of a service's health; the rules of the [`Breaker`](crate::Breaker), without a clock.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::after;
use crate::recent::{Counts, Recent};
use crate::{BreakerOptions, BreakerStatus, RestCause};

/// Whether calls may pass, as results come in. All methods are told what time it is.
#[derive(Debug)]
pub(crate) struct Health {
    options: BreakerOptions,
    phase: Phase,
    /// Grows with each change of phase: what began in an earlier era does not count.
    era: u64,
}

#[derive(Debug)]
enum Phase {
    Closed {
        failures_in_a_row: u32,
        recent: Recent,
    },
    Resting {
        until: Instant,
        cause: RestCause,
        /// Whether a single call has to show that the service works, before all may pass.
        needs_probe: bool,
        /// How many probes there were.
        probes: u64,
        /// The number of the last one while it is under way.
        probe: Option<u64>,
    },
}

/// When a call began, and whether it is a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    era: u64,
    probe: Option<u64>,
}

impl Ticket {
    pub(crate) fn is_probe(self) -> bool {
        self.probe.is_some()
    }
}

impl Health {
    pub(crate) fn new(now: Instant, options: BreakerOptions) -> Self {
        Self { options, phase: closed(now), era: 0 }
    }

    pub(crate) fn options(&self) -> &BreakerOptions {
        &self.options
    }

    /// Lets a call pass, or says how long the rest takes and why.
    pub(crate) fn pass(&mut self, now: Instant) -> Result<Ticket, (Duration, RestCause)> {
        if let Some(rest) = self.rest_left(now) {
            return Err(rest);
        }
        match &mut self.phase {
            Phase::Closed { .. } => {}
            Phase::Resting { needs_probe: false, .. } => self.enter(closed(now)),
            Phase::Resting { until, probes, probe, .. } => {
                *until = after(now, self.options.probe_interval);
                *probes += 1;
                *probe = Some(*probes);
                return Ok(Ticket { era: self.era, probe: *probe });
            }
        }
        Ok(Ticket { era: self.era, probe: None })
    }

    /// A call has begun to be answered. The ticket that it has from now on: a probe becomes one of the calls after it.
    pub(crate) fn began(&mut self, ticket: Ticket, now: Instant) -> Ticket {
        if ticket.era != self.era {
            return ticket;
        }
        if let Phase::Closed { failures_in_a_row, recent } = &mut self.phase {
            *failures_in_a_row = 0;
            recent.add(now, Counts { calls: 1, failures: 0 });
            return ticket;
        }
        self.enter(closed(now));
        Ticket { era: self.era, probe: None }
    }

    /// A call has failed, after it [`began`](Self::began) or before.
    pub(crate) fn failed(&mut self, ticket: Ticket, had_begun: bool, now: Instant) {
        if ticket.era != self.era {
            return;
        }
        let interval = self.options.probe_interval;
        match &mut self.phase {
            Phase::Resting { .. } => self.probe_failed(ticket, after(now, interval)),
            Phase::Closed { failures_in_a_row, recent } => {
                *failures_in_a_row = failures_in_a_row.saturating_add(1);
                recent.add(now, Counts { calls: u64::from(!had_begun), failures: 1 });
                let (in_a_row, recent) = (*failures_in_a_row, recent.sum(now));
                if self.options.too_many_in_a_row(in_a_row, recent)
                    || self.options.too_many_of(recent)
                {
                    self.enter(resting(after(now, interval), RestCause::Failures, true));
                }
            }
        }
    }

    /// The service wants to be left alone for a time that it does not know.
    pub(crate) fn cool_down(&mut self, ticket: Ticket, now: Instant) {
        if ticket.era != self.era {
            return;
        }
        let until = after(now, self.options.cooldown);
        match &self.phase {
            Phase::Resting { .. } => self.probe_failed(ticket, until),
            Phase::Closed { .. } => self.enter(resting(until, RestCause::Failures, true)),
        }
    }

    /// The service wants to be left alone for so long; `ticket` is that of the call that was told so.
    pub(crate) fn rest(&mut self, ticket: Option<Ticket>, wait: Duration, now: Instant) {
        let longest = self.options.longest_rest;
        let mut until = after(now, wait.min(longest));
        let mut needs_probe = wait > longest;
        if !ticket.is_some_and(|ticket| self.is_probe(ticket))
            && let Phase::Resting { until: before, needs_probe: needed, .. } = self.phase
        {
            until = until.max(before);
            needs_probe |= needed;
        }
        self.enter(resting(until, RestCause::Asked, needs_probe));
    }

    /// A call has ended and says nothing.
    pub(crate) fn said_nothing(&mut self, ticket: Ticket, now: Instant) {
        if self.is_probe(ticket)
            && let Phase::Resting { until, probe, .. } = &mut self.phase
            && *probe == ticket.probe
        {
            *until = now;
            *probe = None;
        }
    }

    pub(crate) fn status(&self, now: Instant) -> BreakerStatus {
        match (&self.phase, self.rest_left(now)) {
            (Phase::Resting { probe: Some(_), .. }, _)
            | (Phase::Resting { needs_probe: true, .. }, None) => BreakerStatus::HalfOpen,
            (_, Some((left, cause))) => BreakerStatus::Open { left, cause },
            (_, None) => BreakerStatus::Closed,
        }
    }

    /// How long calls are refused, and why; `None` when the next one would pass.
    pub(crate) fn rest_left(&self, now: Instant) -> Option<(Duration, RestCause)> {
        match self.phase {
            Phase::Resting { until, cause, .. } if now < until => Some((until - now, cause)),
            _ => None,
        }
    }

    fn probe_failed(&mut self, ticket: Ticket, next: Instant) {
        if let Phase::Resting { until, cause, probe, .. } = &mut self.phase {
            *until = next;
            *cause = RestCause::Failures;
            *probe = probe.filter(|last| Some(*last) != ticket.probe);
        }
    }

    /// Whether the call is a probe of the present rest.
    fn is_probe(&self, ticket: Ticket) -> bool {
        ticket.era == self.era && ticket.is_probe()
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.era += 1;
    }
}

impl BreakerOptions {
    fn too_many_in_a_row(&self, failures: u32, recent: Counts) -> bool {
        let successes = recent.calls.saturating_sub(recent.failures);
        u64::from(failures) >= u64::from(self.failures_in_a_row) + successes / 20
    }

    fn too_many_of(&self, recent: Counts) -> bool {
        // A stream that breaks may have begun before what is recent.
        let calls = recent.calls.max(recent.failures);
        calls >= u64::from(self.failing_percent_of)
            && recent.failures * 100 >= calls * u64::from(self.failing_percent)
    }
}

fn closed(now: Instant) -> Phase {
    Phase::Closed { failures_in_a_row: 0, recent: Recent::new(now) }
}

fn resting(until: Instant, cause: RestCause, needs_probe: bool) -> Phase {
    Phase::Resting { until, cause, needs_probe, probes: 0, probe: None }
}

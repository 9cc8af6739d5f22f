//! A part of a chart, for documents that have no room for a whole run.

use crate::{Arrow, Chart, Finding, Shootdown, Span};

impl Chart {
    /// The events around those with the numbers `wanted`, at most so many, and what is of them; all of the
    /// chart if it has no more. The latest of `wanted` is in it, and so are the others unless they lie too far
    /// before it. What began before the part begins with it, and what ends after it has no end.
    #[must_use]
    pub fn around(&self, wanted: &[usize], most: usize) -> Chart {
        let count = self.events.cpu.len();
        if count <= most {
            return self.clone();
        }
        let last = wanted.iter().copied().max().unwrap_or(count - 1);
        // A third of the room is for what comes of it.
        let end = (last + 1 + most / 3).clamp(most, count);
        let begin = end - most;
        let at = |event: usize| event.saturating_sub(begin);
        let until = |event: Option<usize>| event.filter(|&event| event < end).map(at);
        let meets = |from: usize, to: Option<usize>| from < end && to.is_none_or(|to| to >= begin);

        let mut part = Chart {
            start: match begin {
                0 => self.start.clone(),
                _ => self.state_at(begin - 1),
            },
            ..self.clone()
        };
        let kept: Vec<usize> = (0..self.shootdowns.len())
            .filter(|&number| meets(self.shootdowns[number].begin, self.shootdowns[number].end))
            .collect();
        let renumbered = |number: usize| kept.binary_search(&number).ok();
        let events = &mut part.events;
        for column in [&mut events.text, &mut events.source] {
            *column = column[begin..end].to_vec();
        }
        events.cpu = events.cpu[begin..end].to_vec();
        events.time = events.time[begin..end].to_vec();
        events.name = events.name[begin..end].to_vec();
        events.look = events.look[begin..end].to_owned();
        events.shootdown = events.shootdown[begin..end]
            .iter()
            .map(|&number| {
                let number = usize::try_from(number).ok().and_then(renumbered);
                number.map_or(-1, |number| number as i32)
            })
            .collect();
        let spans = self.spans.iter().filter(|it| meets(it.from, it.to));
        part.spans = spans
            .map(|it| Span {
                from: at(it.from),
                to: until(it.to),
                shootdown: it.shootdown.and_then(renumbered),
                ..*it
            })
            .collect();
        let arrows = self.arrows.iter().filter(|it| meets(it.from, it.to));
        part.arrows = arrows
            .map(|it| Arrow {
                from: at(it.from),
                to: until(it.to),
                shootdown: it.shootdown.and_then(renumbered),
                ..*it
            })
            // One that is taken after the part would look lost.
            .zip(self.arrows.iter().filter(|it| meets(it.from, it.to)))
            .filter(|(part, whole)| part.to.is_some() == whole.to.is_some())
            .map(|(part, _)| part)
            .collect();
        part.shootdowns = kept
            .iter()
            .map(|&number| {
                let it = &self.shootdowns[number];
                Shootdown {
                    begin: at(it.begin),
                    end: until(it.end),
                    ..it.clone()
                }
            })
            .collect();
        let changes = self
            .changes
            .iter()
            .filter(|(event, _)| (begin..end).contains(event));
        part.changes = changes
            .map(|&(event, change)| (at(event), change))
            .collect();
        let findings = self.findings.iter().filter_map(|finding| {
            let inside = finding
                .events
                .iter()
                .filter(|it| (begin..end).contains(*it));
            let events: Vec<usize> = inside.map(|&event| at(event)).collect();
            (!events.is_empty()).then(|| Finding {
                events,
                ..finding.clone()
            })
        });
        part.findings = findings.collect();
        part.facts.push((
            "part".into(),
            format!("events {begin} to {} of {count}", end - 1),
        ));
        part.share_texts();
        part
    }

    /// Keeps only the texts that events have.
    fn share_texts(&mut self) {
        let mut number_of = vec![None; self.texts.len()];
        number_of[0] = Some(0);
        let mut texts = vec![self.texts[0].clone()];
        for column in [&mut self.events.text, &mut self.events.source] {
            for number in column {
                let old = *number as usize;
                *number = *number_of[old].get_or_insert_with(|| {
                    texts.push(self.texts[old].clone());
                    texts.len() as u32 - 1
                });
            }
        }
        self.texts = texts;
    }
}

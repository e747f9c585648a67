//! One entry of a drive: what stands in its place, how it is made, and what is noted of it.

use std::os::fd::AsFd;

use super::copier::Fail;
use super::drive::Restorer;
use super::existing::{Way, in_the_way};
use super::pool::Job;
use super::put::Pending;
use super::workplace::Temp;
use crate::catalog::place::Placed;
use crate::catalog::restore::{NameOf, Wanted};
use crate::engine::drive::{join, split};
use crate::error::Result;
use crate::format::item::Item;
use crate::meta::{Kind, Time};
use crate::progress::Progress;

impl Restorer<'_> {
    /// What is not brought back, because of what stands there, is done with as well.
    fn pass_over(&self, item: &Item) {
        if item.kind == Kind::File {
            Progress::add(&self.ends.progress.files, 1);
            Progress::add(&self.ends.progress.bytes, item.size);
        }
    }

    /// Makes one entry and leaves it to be put into place; a file that has to be copied is the answer.
    pub(super) fn make(
        &mut self,
        placed: Placed,
        key: &[u8],
        wanted: Wanted,
        group: NameOf,
    ) -> Result<Option<Box<Job>>, Fail> {
        let item = &placed.item;
        let (parent, name) = split(&wanted.path);
        let dir = self.parent(parent)?;
        // Should somebody put something there meanwhile, it is met when the entry gets its name.
        let way = match self.target.is_fresh(parent) {
            true => Way::Make {
                name: name.to_vec(),
                replace: false,
                beside: false,
            },
            false => self.way(dir.as_fd(), name, item, wanted.delivered)?,
        };
        let (name, replace, beside) = match way {
            Way::Make {
                name,
                replace,
                beside,
            } => (name, replace, beside),
            Way::Equal => {
                self.outcome.equal += 1;
                self.pass_over(item);
                self.note_group(&group, &placed, &wanted.path, None, true)?;
                self.note_flags(item, &wanted.path).map_err(Fail::Target)?;
                self.settle(&wanted, Some(item.mtime))?;
                return Ok(None);
            }
            Way::Newer => {
                self.outcome.newer += 1;
                self.pass_over(item);
                self.settle(&wanted, None)?;
                return Ok(None);
            }
            Way::Blocked(why) => {
                self.outcome.kept += 1;
                self.pass_over(item);
                self.tell(&wanted.path, &in_the_way(&wanted.path, why));
                self.settle(&wanted, None)?;
                return Ok(None);
            }
        };
        let dest = join(parent, &name);
        let mut to_copy = false;
        let temp = match item.kind {
            Kind::File => match self.link(&group, &placed)? {
                Some(temp) => temp,
                None => {
                    to_copy = true;
                    self.target.temp().map_err(Fail::Target)?
                }
            },
            Kind::Symlink => self.symlink(item)?,
            _ => match self.node(item)? {
                Some(temp) => temp,
                None => {
                    self.outcome.not_made += 1;
                    self.settle(&wanted, None)?;
                    return Ok(None);
                }
            },
        };
        let job = Job {
            key: key.to_vec(),
            placed,
            wanted,
            dest,
            replace,
            beside,
            group,
            temp,
        };
        if to_copy {
            return Ok(Some(Box::new(job)));
        }
        self.pend(&job).map(|()| None)
    }

    /// Leaves what is whole in its temp file to be put into place.
    pub(super) fn pend(&mut self, job: &Job) -> Result<(), Fail> {
        let item = &job.placed.item;
        self.note_flags(item, &job.dest).map_err(Fail::Target)?;
        if item.kind == Kind::File {
            self.pending_bytes = self.pending_bytes.saturating_add(item.size);
        }
        self.pending_names += job.dest.len() + job.wanted.path.len();
        self.pending.push(Pending {
            id: job.wanted.id,
            temp: Some(job.temp.clone()),
            dest: job.dest.clone(),
            replace: job.replace,
            beside: job.beside,
            kind: item.kind,
            size: item.size,
            mtime: item.mtime,
            corrupt: false,
            part_of: None,
        });
        Ok(())
    }

    /// Leaves a copy that is no good to be put beside the place of the good one, for its owner alone.
    pub(super) fn keep_corrupt(&mut self, temp: &Temp, dest: &[u8]) -> Result<(), Fail> {
        let (parent, name) = split(dest);
        let dir = self.parent(parent)?;
        let Some(name) = self.corrupt_name(dir.as_fd(), name)? else {
            temp.remove();
            return Ok(());
        };
        let dest = join(parent, &name);
        self.pending_names += dest.len();
        self.pending.push(Pending {
            id: 0,
            temp: Some(temp.clone()),
            dest,
            replace: false,
            beside: false,
            kind: Kind::File,
            size: 0,
            mtime: Time::default(),
            corrupt: true,
            part_of: None,
        });
        Ok(())
    }

    /// Notes the flags that an entry is to get when all is done.
    pub(super) fn note_flags(&self, item: &Item, dest: &[u8]) -> Result<()> {
        match item.extra.as_ref().map_or(0, |extra| extra.flags) {
            flags if flags != 0 && matches!(item.kind, Kind::File | Kind::Dir) => {
                self.catalog.restore_note_flags(dest, flags)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn settle(
        &self,
        wanted: &Wanted,
        delivered: Option<crate::meta::Time>,
    ) -> Result<(), Fail> {
        self.catalog
            .restore_settle(wanted.id, delivered)
            .map_err(Fail::Target)
    }
}

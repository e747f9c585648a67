//! `.mvcopy/README.txt`: what the drive is and how to use it without this program.
//!
//! Plain ASCII, no line longer than 78 columns, whatever the set and the label are called. It says nothing
//! that the drive doesn't have: without digests there is no word about checking them.

use super::item::{Algorithm, Item};
use super::sums;
use super::volumejson::VolumeJson;

/// The longest line, in columns.
const WIDTH: usize = 78;

/// How far the values of the first lines are indented.
const INDENT: usize = 14;

/// How many files of a drive can be checked, and with what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checks {
    /// Files in SHA256SUMS.
    pub sha256: u64,
    /// Files in B3SUMS.
    pub blake3: u64,
    /// Files with a digest whose names b3sum cannot read: in the manifest alone.
    pub unlisted: u64,
    /// Files without a digest.
    pub without: u64,
    /// Parts of files that fit on no drive.
    pub parts: u64,
    /// Entries that stand there under another name.
    pub aliases: u64,
}

impl Checks {
    /// Counts a file; `listed`: it has a line in the sums file of its algorithm. One that is only recorded is
    /// not on the drive, and there is nothing to check.
    pub fn count(&mut self, item: &Item, listed: bool) {
        self.parts += u64::from(item.part.is_some());
        let count = match item.digest.map(|d| d.algorithm) {
            _ if !item.stored => return,
            None => &mut self.without,
            Some(_) if !listed => &mut self.unlisted,
            Some(Algorithm::Sha256) => &mut self.sha256,
            Some(Algorithm::Blake3) => &mut self.blake3,
        };
        *count += 1;
    }

    fn by(&self, algorithm: Algorithm) -> bool {
        let files = match algorithm {
            Algorithm::Sha256 => self.sha256,
            Algorithm::Blake3 => self.blake3,
        };
        files > 0
    }
}

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Blake3];

/// The text for this volume and what of it can be checked. `start_here`: START-HERE.html is to be at the root of
/// the drive.
pub fn text(volume: &VolumeJson, checks: &Checks, start_here: bool) -> String {
    let mut out = String::with_capacity(4096);
    out.push_str("A drive of a backup set, written by multivolumecopy\n");
    out.push_str("===================================================\n\n");
    push_field(&mut out, "Set:", &volume.set.name);
    push_field(&mut out, "Set id:", &volume.set.id);
    push_field(&mut out, "Drive:", &volume.volume.number.to_string());
    push_field(&mut out, "Label:", &volume.volume.label);
    push_field(&mut out, "Drive id:", &volume.volume.id);
    push_field(&mut out, "Created:", &volume.created);
    push_field(&mut out, "Written by:", &volume.tool);
    out.push_str(INTRODUCTION);
    if start_here {
        out.push_str(START_HERE);
    }
    out.push_str(&checking(checks));
    let (exclude, remove) = if start_here {
        (
            "--exclude=/START-HERE.html \\\n      ",
            " /where/they/belong/START-HERE.html",
        )
    } else {
        ("", "")
    };
    out.push_str(
        &RESTORING
            .replace("@EXCLUDE@", exclude)
            .replace("@REMOVE@", remove),
    );
    if checks.parts > 0 {
        out.push_str(PARTS);
    }
    if checks.aliases > 0 {
        out.push_str(ALIASES);
    }
    let programs = ALGORITHMS.into_iter().filter(|one| checks.by(*one));
    let programs: Vec<_> = programs.map(program).collect();
    if !programs.is_empty() {
        out.push_str(COMPARING);
        for program in programs {
            out.push_str(&format!("    {program} /where/it/belongs/file\n"));
        }
    }
    out.push_str(FINDING);
    let mut sums = String::new();
    for algorithm in ALGORITHMS.into_iter().filter(|one| checks.by(*one)) {
        sums.push_str(&format!(
            "  {:<16}the digests of the files on this drive, as above\n",
            sums::file_name(algorithm)
        ));
    }
    out.push_str(&FILES.replace("@SUMS@", &sums));
    out.push_str(LIMITS);
    out
}

/// One of the first lines, its value in ASCII and broken where it is too long.
fn push_field(out: &mut String, title: &str, value: &str) {
    let mut column = INDENT;
    out.push_str(&format!("{title:<INDENT$}"));
    for c in value.chars() {
        let escaped = if c == ' ' || c.is_ascii_graphic() {
            c.to_string()
        } else {
            c.escape_unicode().to_string()
        };
        if column + escaped.len() > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(INDENT));
            column = INDENT;
        }
        column += escaped.len();
        out.push_str(&escaped);
    }
    out.push('\n');
}

fn checking(checks: &Checks) -> String {
    let mut out = CHECKING.to_owned();
    let mut any = false;
    for algorithm in ALGORITHMS.into_iter().filter(|one| checks.by(*one)) {
        let program = program(algorithm);
        if !any {
            out.push_str("    cd DRIVE\n");
        }
        any = true;
        out.push_str(&format!(
            "    {program} -c --quiet .mvcopy/{}\n",
            sums::file_name(algorithm)
        ));
    }
    if any {
        out.push_str(HOW_CHECKED);
    } else if checks.unlisted == 0 && checks.without > 0 {
        out.push_str(NO_CHECKING);
    } else if checks.unlisted == 0 {
        out.push_str("There is no file on this drive yet.\n");
    }
    if checks.unlisted > 0 {
        out.push_str(&UNLISTED.replace("@FILES@", &counted(checks.unlisted)));
    }
    if checks.without > 0 && (any || checks.unlisted > 0) {
        out.push_str(&WITHOUT.replace("@FILES@", &counted(checks.without)));
    }
    out
}

/// The program that prints and checks these digests.
fn program(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Sha256 => "sha256sum",
        Algorithm::Blake3 => "b3sum",
    }
}

fn counted(files: u64) -> String {
    format!("{files} {}", if files == 1 { "file" } else { "files" })
}

const INTRODUCTION: &str = "
The files on this drive are plain files, under the names and in the folders
that they had where they came from. Any system that can read the drive can
open them: no program is needed. The set may have more drives than this one;
each of them stands alone in the same way.

In what follows DRIVE is the folder where this drive is mounted.
";

const START_HERE: &str = "
START-HERE.html, where present, shows the same in a browser, with a search
through the names of the whole set. It needs no network. It belongs to this
drive and is none of your files.
";

const CHECKING: &str = "
Check that every file is as it was written
------------------------------------------

";

const HOW_CHECKED: &str = "
It prints nothing when all is well, and the name of each file that is not.
A drive that was only just written should be unmounted and mounted again
first, or what is checked may be the computer's memory.
";

const NO_CHECKING: &str = "\
This drive was written without digests: there is nothing to check against
but the sizes and times in .mvcopy/manifest.jsonl.
";

const UNLISTED: &str = "
@FILES@ cannot be checked in this way:
b3sum reads no name that is not UTF-8 or has the character U+FFFD in it. Their
digests are in .mvcopy/manifest.jsonl; this prints the digest of a file:

    b3sum --no-names < FILE
";

const WITHOUT: &str = "
Without a digest, and only told by size and time (.mvcopy/manifest.jsonl):
@FILES@.
";

const RESTORING: &str = "
Bring the files back
--------------------

    rsync -aH --exclude=/.mvcopy @EXCLUDE@DRIVE/ /where/they/belong/

or, without rsync:

    cp -a DRIVE/. /where/they/belong/
    rm -r /where/they/belong/.mvcopy@REMOVE@

Do the same with each drive of the set: together they give the whole tree.
With multivolumecopy, which asks for the drives that are needed and checks
each file:

    multivolumecopy restore -o DRIVE --to /where/they/belong
";

const PARTS: &str = "
Some files were larger than any drive of the set. They are in parts, named
FILE.mvpart-0001-of-0007 and so on, on this drive and on others. With all of
them in one folder, this makes the file again, one line for each file:

    cat FILE.mvpart-*-of-0007 > FILE && rm FILE.mvpart-*-of-0007

manifest.jsonl has \"part\" for each: where it belongs in the file, and the
digest of the whole where that is known.
";

const ALIASES: &str = "
Some names on this drive are not the true ones
----------------------------------------------

Where the file system of this drive cannot take a character it is written as
the quote U+201B and its full-width form, or as that quote and two hexadecimal
digits (the byte). Of a name that is too long, or that differs from another
only in case or accents, the quote, \"~\" and a SHA-256 digest of it are left.
The true name is \"path\" in manifest.jsonl, and \"as\" is the one on the drive:

    grep '\"as\":' DRIVE/.mvcopy/manifest.jsonl | grep NAME

multivolumecopy restore brings the true names back.
";

const COMPARING: &str = "
For single files, copy them and compare what this prints with their
\"digest\" in manifest.jsonl:

    cp -a DRIVE/folder/file /where/it/belongs/
";

const FINDING: &str = "
Find out what lies on which drive
---------------------------------

    grep NAME DRIVE/.mvcopy/manifest.jsonl      what is on this drive
    grep NAME DRIVE/.mvcopy/catalog.jsonl       the whole set, where present
";

const FILES: &str = "
What is in DRIVE/.mvcopy
------------------------

  volume.json     which drive of which set this is
  manifest.jsonl  one line for each file, folder and link of this drive:
                  path, size, time, mode, owner, digest
@SUMS@  catalog.jsonl   one line for each entry of the whole set and the drive
                  that holds it (where present)
  journal.log     what was being written; where it is there, the drive was
                  not closed, and running multivolumecopy again goes on
  tmp             files that were being written when a run was broken off;
                  the next run finishes or drops them

In the .jsonl files each line is a JSON object. Names are UTF-8 with control
characters escaped; a byte that is not UTF-8 is written as \\udcXX, where XX
is the byte in hexadecimal.
";

const LIMITS: &str = "
What may look odd
-----------------

* A file with several names (hard links): each name is on the drive, and
  \"link\" in manifest.jsonl is the first of them.
* An entry with \"stored\":false in manifest.jsonl is recorded there only,
  because the file system of this drive cannot hold it (a symbolic link or a
  device on exFAT, for example). \"target\" is where a symbolic link leads.
* Owner, mode and exact time of each entry are in manifest.jsonl, also where
  the file system of this drive could not keep them.
* Paths of 4,096 bytes and more are beyond cp, rsync and the programs that
  check digests. multivolumecopy reads them.
";

#[cfg(test)]
#[path = "readme_tests.rs"]
mod tests;

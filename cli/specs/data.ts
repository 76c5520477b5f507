/**
 * Commands that change or keep data.
 *
 * @module
 */
import { builtIn, JSON_FLAG } from "../spec.ts";

/** `inject` */
export const INJECT = builtIn({
  name: "inject",
  brief: "Put a value into a repository, from a file or a pipe",
  about: [
    "A document is written as YAML or JSON and checked first. A tree is a folder or a tar archive. A key that is there already is left as it is, unless --force is given.",
  ],
  args: [{ name: "NAME", completes: "repository" }, { name: "KEY", completes: "job" }, {
    name: "FILE",
    optional: true,
    completes: "file",
  }],
  flags: { force: { kind: "boolean", short: "f", brief: "Replace the value that is there" } },
  examples: [
    ["inject summary.books emma emma.txt", "from a file"],
    ["inject parse.settings emma < emma.yaml", "a document from the standard input"],
    ["inject render.theme emma ./theme", "a folder as a tree"],
  ],
});

/** `rm` */
export const RM = builtIn({
  name: "rm",
  brief: "Delete jobs with what they have made, so that they are done again",
  about: [
    "NAME is a repository (task.link), or a task: then everything that the task has made for these jobs goes, and its record of them. With -r, what other tasks have made from it goes too. A job is done again when its record is gone: who deletes a value of a repository alone takes it away, and nothing more.",
    "Name the keys (of a task: the jobs), or give --all. It shows what would go and asks. Where nobody can be asked it needs --yes.",
  ],
  args: [{ name: "NAME", completes: "name" }, { name: "KEY", optional: true, many: true, completes: "job" }],
  flags: {
    recursive: { kind: "boolean", short: "r", brief: "What follows from it, too" },
    all: { kind: "boolean", brief: "All keys" },
    yes: { kind: "boolean", short: "y", brief: "Do not ask" },
    dryRun: { kind: "boolean", short: "n", brief: "Only show what would go" },
    json: { kind: "boolean", brief: "Print what goes as JSON" },
  },
  examples: [
    ["rm summary moby-dick", "make this summary again"],
    ["rm -r fetch emma", "start over with this job"],
    ["rm --all --yes parse.tables", "empty a repository"],
  ],
});

/** `backup` */
export const BACKUP = builtIn({
  name: "backup",
  brief: "Copy repositories into a folder",
  about: [
    "Each store is copied once, however many links share it, with a manifest of SHA-256 digests. Each file is read back when it is written; --verify reads those of earlier calls too, and takes again what is damaged. Interrupt it when you like: the next call copies what has been added or changed since. Nothing is ever deleted from the folder.",
  ],
  args: [{ name: "DIR", completes: "folder" }, {
    name: "NAME",
    optional: true,
    many: true,
    completes: "name",
  }],
  flags: {
    verify: { kind: "boolean", brief: "Read what is there already, too, and compare it" },
    quiet: { kind: "boolean", short: "q", brief: "Show the summary only" },
    json: { kind: "boolean", brief: "Print the summary as JSON" },
  },
  examples: [["backup ./backup", "everything"], [
    "backup ./backup summary parse.tables",
    "a task and a repository",
  ]],
});

/** `restore` */
export const RESTORE = builtIn({
  name: "restore",
  brief: "Copy values back from a backup, each checked by its digest",
  about: [
    "Keys that are there are left as they are, so that it can be interrupted and called again; --overwrite puts the values of the backup in their place. Nothing is ever deleted.",
    "Each value is checked against its digest, and read back from its repository when it is written; --verify also compares the values that are there already, and names those that are not the ones of the backup.",
  ],
  args: [{ name: "DIR", completes: "folder" }, {
    name: "NAME",
    optional: true,
    many: true,
    completes: "name",
  }],
  flags: {
    overwrite: { kind: "boolean", brief: "Replace values that are there" },
    verify: { kind: "boolean", brief: "Read what is there already, too, and compare it" },
    quiet: { kind: "boolean", short: "q", brief: "Show the summary only" },
    json: { kind: "boolean", brief: "Print the summary as JSON" },
  },
  examples: [["restore ./backup", "everything that is missing"], [
    "restore --overwrite ./backup summary",
    "one task, as it was",
  ]],
});

/** `copy` */
export const COPY = builtIn({
  name: "copy",
  brief: "Copy the values of one repository into another of the same kind",
  about: [
    "FROM and TO are repositories of the pipeline (task.link), or such as a module exports (./stores.ts#archive; a session that it exports is opened). Each value is read back and compared by its SHA-256 digest. Interrupt it when you like: the next call goes on, and copies again what has changed. What it has noted as there it does not read again, unless --verify is given.",
    "A key that is there with another value is left as it is and named, unless --overwrite is given. Nothing is ever deleted.",
  ],
  args: [{ name: "FROM", completes: "repository" }, { name: "TO", completes: "repository" }],
  flags: {
    overwrite: { kind: "boolean", brief: "Replace other values that are there" },
    verify: { kind: "boolean", brief: "Read what is there already, too, and compare it" },
    quiet: { kind: "boolean", short: "q", brief: "Show the summary only" },
    json: { kind: "boolean", brief: "Print the summary as JSON" },
  },
  examples: [
    ["copy summary.reports publish.pages", "between two stores of the pipeline"],
    ["copy summary.reports ./stores.ts#archive", "into one that a module exports"],
  ],
});

/** `shell` */
export const SHELL = builtIn({
  name: "shell",
  brief: "Open the pipeline and type JavaScript at it",
  about: [
    'At hand are `pipeline`, `tasks.NAME`, and each repository as `repositories["task.link"]`. `await` works at the top. Lines may come from a pipe.',
  ],
  args: [],
  flags: { eval: { kind: "text", short: "e", brief: "Evaluate this and end", placeholder: "CODE" } },
  examples: [
    ["shell", "a prompt"],
    ['shell -e \'await repositories["summary.done"].has("emma")\'', "one expression"],
  ],
});

/** `doctor` */
export const DOCTOR = builtIn({
  name: "doctor",
  brief: "Look for what could go wrong, and say what to do about it",
  about: [
    "It checks Deno, permissions, the session, every repository, the state folder, who runs the pipeline, the clock, and runs that were left over. A repository without keys is no fault to it, but a folder that is missing is named.",
  ],
  args: [],
  flags: { json: JSON_FLAG },
  examples: [["doctor", "check everything"]],
});

/** `completions` */
export const COMPLETIONS = builtIn({
  name: "completions",
  brief: "Print a script for your shell that completes what you type",
  about: [
    "SHELL is bash, zsh or fish. What is completed is a command of one word: datatask, or the name of a pipeline that is a program of its own. Where no such command is installed, as with a clone, the script makes one, which runs this program from any folder.",
  ],
  args: [{ name: "SHELL" }],
  flags: {
    command: { kind: "text", brief: "What the command is called", placeholder: "NAME" },
  },
  examples: [
    ["completions bash >> ~/.bashrc", "for bash"],
    ["completions zsh >> ~/.zshrc", "for zsh, after compinit"],
    ["completions fish >> ~/.config/fish/config.fish", "for fish"],
  ],
});

/** `complete`, which the scripts of `completions` call. */
export const COMPLETE = builtIn({
  name: "complete",
  brief: "Print what the last word could become",
  args: [{ name: "WORD", optional: true, many: true }],
  flags: {},
  examples: [],
  hidden: true,
});

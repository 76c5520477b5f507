/**
 * Work that runs in a container, whichever engine runs it.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";
import type { Work } from "./executor.ts";

/** Something that a container sees at a path of its own. */
export interface ContainerMount {
  /** What it is: an absolute path on the engine's machine, which must be there, or the name of a volume. */
  readonly source: string;
  /** Where the container sees it: an absolute path. */
  readonly target: string;
  /** Whether the container may only read it. Default: `false`. */
  readonly readOnly?: boolean;
}

/** When an image is pulled: when the engine does not have it, each time, or never. */
export type PullPolicy = "missing" | "always" | "never";

/** A script to run in a container. */
export interface ContainerWork extends Work {
  /** That it runs in a container. */
  readonly kind: "container";
  /** Which image: `alpine:3`, `registry.example/team/tool@sha256:…`. */
  readonly image: string;
  /** The script. Without an `entrypoint`, its first line may name an interpreter of the image; otherwise `/bin/sh` runs it. */
  readonly script: string;
  /** Who runs the script: a program of the image and its arguments; the path of the script is put after them. Default: as the script's first line says. */
  readonly entrypoint?: readonly string[] | undefined;
  /** What is added to the environment that the image gives. */
  readonly environment: Readonly<Record<string, string>>;
  /** What it sees besides the image. Default: nothing. */
  readonly mounts?: readonly ContainerMount[] | undefined;
  /** Who it runs as: `1000`, `1000:1000`, `nobody`. Default: as the image says. */
  readonly user?: string | undefined;
  /** Where it begins: an absolute path. Default: an empty folder of its own. */
  readonly workdir?: string | undefined;
  /** Which network it is on: `none`, `host`, or the name of one. Default: as the engine says. */
  readonly network?: string | undefined;
  /** Whether it may do all that the engine's machine allows. Default: `false`. */
  readonly privileged?: boolean | undefined;
  /** When the image is pulled. Default: when it is missing. */
  readonly pull?: PullPolicy | undefined;
  /** What it reads from its standard input. Default: nothing. */
  readonly stdin?: ReadableStream<Bytes> | undefined;
  /** Whether standard error is written into the same log as standard output. In the order of writing where a shell runs the script. */
  readonly mergeStderr: boolean;
}

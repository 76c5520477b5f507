/**
 * Work that runs in a pod made from a manifest.
 *
 * @module
 */
import type { Bytes } from "../core/bytes.ts";
import type { Work } from "./executor.ts";

/** A pod as a manifest describes it. What identity, links and script need is added to it. */
export interface PodManifest {
  /** `v1`, where it is given. */
  readonly apiVersion?: string;
  /** `Pod`, where it is given. */
  readonly kind?: string;
  /** Its labels and annotations; its name is given by whoever runs it. */
  readonly metadata?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  /** Its containers, volumes, and where it may run, as Kubernetes has it. */
  readonly spec: {
    readonly containers: readonly ({ readonly name: string } & Readonly<Record<string, unknown>>)[];
  } & Readonly<Record<string, unknown>>;
}

/** A script to run in one container of a pod. */
export interface PodWork extends Work {
  /** That it runs in a pod. */
  readonly kind: "pod";
  /** The pod. */
  readonly manifest: PodManifest;
  /** Which of its containers runs the script; what its image would start is not started. Default: the first. The run ends with it. */
  readonly container?: string | undefined;
  /** Whether it runs on every node that its manifest fits, also on those that come later, again and again until it is stopped. Default: `false`. */
  readonly everywhere?: boolean | undefined;
  /** The script. Without an `entrypoint`, its first line may name an interpreter of the image; otherwise `/bin/sh` runs it. */
  readonly script: string;
  /** Who runs the script: a program of the image and its arguments; the path of the script is put after them. Default: as the script's first line says. */
  readonly entrypoint?: readonly string[] | undefined;
  /** What is added to the environment of the container. */
  readonly environment: Readonly<Record<string, string>>;
  /** What it reads from its standard input. Default: nothing. */
  readonly stdin?: ReadableStream<Bytes> | undefined;
  /** Whether standard error is written into the same log as standard output. */
  readonly mergeStderr: boolean;
}

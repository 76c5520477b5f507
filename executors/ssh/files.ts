/**
 * Large values of runs, copied over SFTP while their runs wait.
 *
 * @module
 */
import type { Attempt } from "../../core/attempt.ts";
import { streamOf } from "../../core/bytes.ts";
import type { RunFiles } from "../executor.ts";
import type { Host } from "./host.ts";
import { folderOf, type SshRuns } from "./runs.ts";

/** From how many bytes on a value goes over SFTP: below, its run has it before a session is open. */
const LEAST = 8 * 2 ** 20;

/**
 * Copies files of runs over the connection that is there.
 *
 * @param open Gives the runs of an executor that is open.
 * @returns What reads and writes them.
 */
export function sshFiles(open: () => Promise<SshRuns>): RunFiles {
  const find = async (attempt: Attempt, path: string): Promise<readonly [host: Host, path: string]> => {
    const host = await (await open()).link.host();
    return [host, `${host.facts.root}/${folderOf(attempt)}/values/${path}`];
  };
  return {
    least: LEAST,
    async write(attempt, path, content, { start, signal }) {
      const [host, file] = await find(attempt, path);
      await host.files.write(file, content, start, signal);
    },
    read: (attempt, path, { start, end, signal }) =>
      streamOf(async function* (signal) {
        const [host, file] = await find(attempt, path);
        yield* host.files.read(file, start, end, signal);
      }, signal),
  };
}

/**
 * Scripts as processes of other hosts, over SSH.
 *
 * @module
 */
export { sshExecutor } from "./executor.ts";
export type { SshAddress, SshExecutorOptions } from "./options.ts";

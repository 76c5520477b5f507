/**
 * How a host is reached: what a user says, and what is left unsaid.
 *
 * @module
 */
import type { QuotaInit } from "../../core/quota.ts";

/** How many channels a server allows on one connection, unless it is said otherwise: as OpenSSH does. */
export const SESSIONS = 10;
/** The channels that an executor needs: for its requests, to hear of ends, and for a log. */
export const LEAST_SESSIONS = 3;

/** How one server is reached, and who we are there. */
export interface SshAddress {
  /** Its name or address. */
  readonly host: string;
  /** Its port. Default: 22. */
  readonly port?: number;
  /** Who we are there. */
  readonly user: string;
  /**
   * The private key: the path of its file, its text, or `agent` for those that the agent at `SSH_AUTH_SOCK` holds. Default: the agent
   * where there is one, then `~/.ssh/id_ed25519`, `id_ecdsa` and `id_rsa`; with a password: none.
   */
  readonly identity?: string;
  /** What opens an encrypted key. */
  readonly passphrase?: string;
  /** The password, where no key does. */
  readonly password?: string;
  /** The file of the keys of known hosts. Default: `~/.ssh/known_hosts`. */
  readonly knownHosts?: string;
  /** The fingerprint of the host's key (`SHA256:…`, as `ssh-keygen -l` prints it), in place of the file of known hosts. */
  readonly hostKey?: string;
}

/** Options of {@linkcode sshExecutor}. */
export interface SshExecutorOptions extends SshAddress {
  /** What people call it. Default: `ssh user@host`. */
  readonly name?: string;
  /** A server through which this one is reached. */
  readonly proxyJump?: SshAddress;
  /** What all its runs together may use. Default: no limit. */
  readonly capacity?: QuotaInit;
  /** The folder on the host below which runs are kept. Default: `datatask` in `$XDG_CACHE_HOME` or `~/.cache` there. */
  readonly root?: string;
  /** What runs find in their environment besides what the host's server gives and their work adds. It is never part of a command line. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether the host has the files of this machine under the same paths. Default: `false`. */
  readonly sharesFiles?: boolean;
  /** A POSIX shell of the host. Default: `/bin/sh`. */
  readonly shell?: string;
  /** How many channels the server allows on one connection (`MaxSessions`): at least 3. Default: 10. */
  readonly maxSessions?: number;
  /** How long a connection may take to be made, in milliseconds. Default: 20000. */
  readonly connectMs?: number;
  /** How often a silent server is asked whether it is there, in milliseconds; four times without an answer and it is not. Default: 15000. */
  readonly keepaliveMs?: number;
  /** How long a host that was there and is gone is waited for until calls fail, in milliseconds. Default: 120000. */
  readonly patienceMs?: number;
}

/** `user@host`, with the port where it is not the usual one. */
export function addressText(address: SshAddress): string {
  const { host, port = 22, user } = address;
  return `${user}@${host}${port === 22 ? "" : `:${port}`}`;
}

/** The client of SSH, from ssh2: the one place that names it. */
// @ts-types="npm:@types/ssh2@^1.15.0"
import ssh2 from "npm:ssh2@^1.17.0";
// @ts-types="npm:@types/ssh2@^1.15.0"
import type { Client as SshClient } from "npm:ssh2@^1.17.0";

/** A connection to a server. */
export type Client = SshClient;
/** Makes a connection. */
export const Client: new () => SshClient = ssh2.Client;
/** Reads a key. */
export const parseKey: typeof ssh2.utils.parseKey = ssh2.utils.parseKey;
// @ts-types="npm:@types/ssh2@^1.15.0"
export type { ClientChannel, ConnectConfig, ServerHostKeyAlgorithm } from "npm:ssh2@^1.17.0";

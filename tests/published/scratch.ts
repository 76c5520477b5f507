/**
 * A folder of somebody who has just heard of this package: nothing in it, and a cache of its own.
 *
 * @module
 */

/** How a command ended. */
export interface Ended {
  /** Its exit code. */
  readonly code: number;
  /** What it has written, both streams. */
  readonly text: string;
}

/** A folder, and commands in it. */
export interface Scratch extends AsyncDisposable {
  /** Where it is. */
  readonly path: string;
  /** Runs Deno in it. */
  deno(...args: readonly string[]): Promise<Ended>;
  /** Runs a program in it. */
  program(path: string, ...args: readonly string[]): Promise<Ended>;
  /** Writes a file in it. */
  write(name: string, text: string): Promise<void>;
}

/**
 * Makes a folder with a cache of its own, in which the packages of npm that were downloaded before are found.
 *
 * @param env What is added to the environment of commands.
 * @returns The folder.
 */
export async function scratch(env: Readonly<Record<string, string>>): Promise<Scratch> {
  const path = await Deno.makeTempDir({ prefix: "datatask-published-" });
  const cache = `${path}/.cache`;
  await Deno.mkdir(cache);
  await Deno.symlink(`${await denoDir()}/npm`, `${cache}/npm`);
  // Whatever lies above in the folder for temporary files is none of our business.
  await Deno.writeTextFile(`${path}/deno.json`, "{}");
  await Deno.mkdir(`${path}/work`);
  const program = async (command: string, ...args: readonly string[]): Promise<Ended> => {
    const { code, stdout, stderr } = await new Deno.Command(command, {
      args: [...args],
      cwd: `${path}/work`,
      env: {
        ...env,
        DENO_DIR: cache,
        NO_COLOR: "1",
        PATH: `${Deno.execPath().replace(/\/[^/]*$/, "")}:${Deno.env.get("PATH")}`,
      },
      stdin: "null",
    }).output();
    return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
  };
  return {
    path: `${path}/work`,
    deno: (...args) => program(Deno.execPath(), ...args),
    program,
    write: (name, text) => Deno.writeTextFile(`${path}/work/${name}`, text),
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

async function denoDir(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

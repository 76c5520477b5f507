/** What a pipeline of these tests has left. */

// deno-lint-ignore no-explicit-any
export function parse(line: string): any {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // The line that the kill has cut.
  }
}

/** All files and folders below a folder, by path: what each file holds. */
export function treeOf(folder: string, below = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const { name, isDirectory } of Deno.readDirSync(`${folder}/${below}`)) {
    const path = `${below}${name}`;
    found.set(path, isDirectory ? "" : Deno.readTextFileSync(`${folder}/${path}`));
    if (isDirectory) { for (const [inner, text] of treeOf(folder, `${path}/`)) found.set(inner, text); }
  }
  return found;
}

/** Copies a folder with all that is in it. */
export async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    await (isDirectory ? copyTree : Deno.copyFile)(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Processes whose command line or folder is in the pipeline's. */
export async function processesOf(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === Deno.pid) continue;
    const command = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    const cwd = await Deno.readLink(`/proc/${name}/cwd`).catch(() => "");
    if (command.includes(folder) || cwd.startsWith(folder)) {
      found.push(`${name} ${command.replaceAll("\0", " ")}`);
    }
  }
  return found;
}

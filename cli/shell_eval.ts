/**
 * Evaluating what is typed into the shell: expressions and statements, `await` at the top, and names that last from line to line.
 *
 * @module
 */

/**
 * A scope for what is typed: names that are declared are kept in it, all others are looked for where they usually are.
 *
 * @param names What is at hand from the beginning.
 * @returns The scope.
 */
export function newScope(names: Readonly<Record<string, unknown>>): object {
  const kept: Record<string | symbol, unknown> = { ...names };
  return new Proxy(kept, {
    has: (target, name) => name in target || !(name in globalThis),
    get(target, name) {
      if (name === Symbol.unscopables || name in target) return target[name];
      throw new ReferenceError(
        `${String(name)} is not defined; at hand are ${Object.keys(target).join(", ")}`,
      );
    },
  });
}

const DECLARATION = /^\s*(?:const|let|var)\s+(?=[\w$[{])/;
const FUNCTION = /^\s*(async\s+)?function\s*(\*?)\s*([\w$]+)/;
const CLASS = /^\s*class\s+([\w$]+)/;

/** Declarations at the top become assignments, which outlive the line. */
function assignments(code: string): string {
  const name = (FUNCTION.exec(code)?.[3] ?? CLASS.exec(code)?.[1])!;
  if (name) return `${name} = ${code}`;
  if (!DECLARATION.test(code)) return code;
  const rest = code.replace(DECLARATION, "");
  // `{ a } = x` at the beginning of a statement would be a block.
  return rest.startsWith("{") ? `(${rest.replace(/;\s*$/, "")})` : rest;
}

/** Ends in an operator, a comma or a dot: more must follow. */
const UNFINISHED = /(?:[-*/%=<>&|^,.?:!~]|(?<!\+)\+)\s*$/;

// `with` is what makes names last; code of a Function may use it.
type Compiled = (scope: object) => Promise<unknown>;

function compile(code: string): Compiled {
  const source = assignments(code);
  try {
    return wrap(`return (${source.replace(/;\s*$/, "")}\n)`);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return wrap(source);
  }
}

function wrap(body: string): Compiled {
  return new Function("scope", `with (scope) { return (async () => { ${body}\n })() }`) as Compiled;
}

/**
 * Whether more lines must follow before the code can be evaluated.
 *
 * @param code What was typed so far.
 * @returns Whether it ends inside of brackets or a template.
 */
export function isIncomplete(code: string): boolean {
  if (code.trim() === "") return false;
  try {
    compile(code);
    return false;
  } catch (error) {
    return error instanceof SyntaxError && (depth(code) > 0 || UNFINISHED.test(code));
  }
}

/** How many brackets are open; texts and comments are left out, roughly. */
function depth(code: string): number {
  const bare = code.replace(
    /\/\/.*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g,
    "",
  );
  let open = (bare.match(/`/g)?.length ?? 0) % 2;
  for (const character of bare) {
    if ("([{".includes(character)) open++;
    else if (")]}".includes(character)) open--;
  }
  return open;
}

/**
 * Evaluates code.
 *
 * @param code JavaScript: an expression, or statements.
 * @param scope Made by {@linkcode newScope}.
 * @returns The value of the expression; nothing for a declaration.
 */
export async function evaluate(code: string, scope: object): Promise<unknown> {
  if (code.trim() === "") return undefined;
  const value = await compile(code)(scope);
  return assignments(code) === code ? value : undefined;
}

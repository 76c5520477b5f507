import assert from "node:assert/strict";
import fc from "npm:fast-check@^4";
import { DefinitionError } from "../../core/errors.ts";
import { type Script, type ScriptValue, sh } from "../../tasks/script.ts";

/** Shells of this machine that scripts must work under. */
const SHELLS = [["dash"], ["bash"], ["bash", "--posix"], ["busybox", "ash"]].filter(([name]) =>
  (Deno.env.get("PATH") ?? "").split(":").some((dir) => {
    try {
      return Deno.statSync(`${dir}/${name}`).isFile;
    } catch {
      return false;
    }
  })
);

async function run(shell: readonly string[], script: Script): Promise<string> {
  const [command, ...args] = shell;
  const child = new Deno.Command(command!, { args, stdin: "piped", stdout: "piped", stderr: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(new TextEncoder().encode(script.text + "\n")).then(() => writer.close());
  const [{ stdout, stderr, code }] = await Promise.all([child.output(), written]);
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

const hostile = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }).filter((s) => !s.includes("\0") && s.isWellFormed()),
  fc.array(
    fc.constantFrom(
      "'",
      '"',
      "\\",
      "$(echo x)",
      "`echo x`",
      "\n",
      " ",
      "-n",
      "*",
      "~",
      "${HOME}",
      "#",
      "!",
      ";",
      "&",
      "é",
      "\u{1f40b}",
    ),
    {
      maxLength: 8,
    },
  ).map((parts) => parts.join("")),
);

for (const shell of SHELLS) {
  Deno.test(`sh passes any text as one word under ${shell.join(" ")}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(hostile, { minLength: 1, maxLength: 12 }), async (values) => {
        const out = await run(shell, sh`for w in ${values}; do printf '%s\0' "$w"; done`);
        assert.deepEqual(out.split("\0").slice(0, -1), values);
      }),
      { numRuns: 25 },
    );
  });

  Deno.test(`sh passes any text wherever it lets one stand under ${shell.join(" ")}`, async () => {
    await fc.assert(
      fc.asyncProperty(hostile, async (v) => {
        const places: Script[] = [
          sh`printf '%s.' ${v}`,
          sh`printf '%s.' "$(printf '%s.' ${v})"`,
          sh`x=${v}; printf '%s.' "$x"`,
          sh`f() { printf '%s.' "$1"; }; f ${v} # it's a comment`,
          sh`cat <<EOF >/dev/null
it's "odd \${HOME}
EOF
printf '%s.' ${v}`,
          sh`case ${v} in ${v}) printf '%s.' ${v} ;; esac`,
          sh`printf '%s' "${v}."`,
          sh`x="$(printf '%s' "${v}.")"; printf '%s' "$x"`,
          sh`printf '%s' "${v}""."`,
          sh`if [ "$((1 + ${2}))" -eq 3 ]; then printf '%s.' ${v}; fi`,
        ];
        for (const [i, script] of places.entries()) {
          assert.equal(await run(shell, script), i === 1 ? `${v}..` : `${v}.`, script.text);
        }
      }),
      { numRuns: 8 },
    );
  });
}

Deno.test("sh makes words of texts, numbers, paths and lists, and inserts pieces as they are", () => {
  const link = { path: "/data/it's", key: "k" };
  assert.equal(
    sh`a ${"x y"} ${3} ${4n} ${link} ${["p", 1, link]} ${[]}${new URL("file:///a%20b")}`.text,
    `a 'x y' '3' '4' '/data/it'\\''s' 'p' '1' '/data/it'\\''s' '/a b'`,
  );
  const piece = sh`| sort ${"-u"}`;
  assert.equal(sh`cat ${piece} ${sh.raw("> $HOME/x")}`.text, `cat | sort '-u' > $HOME/x`);
  assert.equal(String(sh`true`), "true");
});

Deno.test("sh keeps backslashes as they were written, but for those a template needs", () => {
  assert.equal(sh`printf 'a\n\\' \${HOME} \`date\` \$x`.text, "printf 'a\\n\\\\' ${HOME} `date` \\$x");
});

Deno.test("sh puts a value into double quotes as a part of the word", () => {
  assert.equal(
    sh`echo "the $HOME of ${"it's"}, ${2} of ${{ path: "/a b" }}" ${"x"}`.text,
    `echo "the $HOME of "'it'\\''s'", "'2'" of "'/a b'"" 'x'`,
  );
});

Deno.test("sh puts a whole number into arithmetic as it is", () => {
  assert.equal(sh`echo $((${-3} * 2))`.text, "echo $(((-3) * 2))");
});

const refused: readonly (readonly [string, () => Script, RegExp])[] = [
  [
    "undefined",
    () => sh`a ${undefined as unknown as ScriptValue}`,
    /Cannot put value 1 into a script: it is undefined; give a text/,
  ],
  [
    "null",
    () => sh`a ${"b"} ${null as unknown as ScriptValue}`,
    /Cannot put value 2 into a script: it is null/,
  ],
  ["an object", () => sh`a ${{} as ScriptValue}`, /it is an object without a path \(Object\)/],
  ["a boolean", () => sh`a ${true as unknown as ScriptValue}`, /it is a boolean/],
  ["NUL", () => sh`a ${"x\0y"}`, /NUL character.*pass it in a file/],
  ["single quotes", () => sh`a '${"x"}'`, /in single quotes; remove them/],
  ["a list in double quotes", () => sh`a "b ${["x"]}"`, /it is a list, and stands in double quotes/],
  ["double quotes in an expansion", () => sh`a \${b:-"${"x"}"}`, /in \$\{…\} of the shell/],
  ["a comment", () => sh`a # ${"x"}`, /in a comment/],
  ["backticks", () => sh`a \`b ${"x"}\``, /in backticks.*write \$\(…\)/],
  ["an expansion", () => sh`a \${b:-${"x"}}`, /in \$\{…\} of the shell/],
  ["arithmetic", () => sh`a $((${"x"}))`, /in \$\(\(…\)\) and is no whole number/],
  ["a here-document", () =>
    sh`cat <<'EOF'
${"x"}
EOF`, /in a here-document/],
  ["a dollar", () => sh`a $${"x"}`, /follows a \$/],
  ["a delimiter", () => sh`cat <<${"x"}`, /says how it ends/],
];

for (const [what, make, message] of refused) {
  Deno.test(`sh refuses ${what}`, () => {
    assert.throws(make, (error) => error instanceof DefinitionError && message.test(error.message));
  });
}

Deno.test("sh refuses a value after a backslash", () => {
  const strings = Object.assign(["a \\", ""], { raw: ["a \\", ""] }) as unknown as TemplateStringsArray;
  assert.throws(() => sh(strings, "x"), /follows a backslash/);
});

Deno.test("sh lets a value stand after quotes, comments and here-documents have ended", () => {
  const { text } = sh`a "b" 'c' # it's "odd
x ${"1"}; cat <<-'END' <<\E2; y=$((1 << 2)) ${"2"}
	it's
	END
"
E2
z <<< w ${"3"} $(echo "$(echo ${"4"})" ${"5"}) $# ${"6"}`;
  for (const n of [1, 2, 3, 4, 5, 6]) assert(text.includes(`'${n}'`), `value ${n}`);
});

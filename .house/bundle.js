// The package as programs load it: dist/lib, a module for each way in and few for what they share. Some 200 modules would
// take a program twice as long to load, and more than a megabyte of its heap (bench/README.md, "What a program carries").

import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'rolldown'

const OUT = 'dist/lib'

/** Ways in: what package.json names, and what is started or loaded by its file name from within. */
const input = {
  index: 'src/index.ts',
  net: 'src/sockets/net.ts',
  dgram: 'src/sockets/dgram.ts',
  http: 'src/sockets/http.ts',
  serval: 'src/bin/serval.ts',
  worker: 'src/net/engine/worker.ts',
  'profile-2014': 'src/net/profile-2014.ts',
  replica: 'src/bin/demo/replica.ts',
  client: 'src/bin/demo/client.ts',
}

/** Throws what the bundler finds wrong. */
export async function bundle() {
  const { output } = await build({
    input,
    platform: 'node',
    external: id => !/^[./]/.test(id),
    output: {
      dir: OUT,
      format: 'esm',
      sourcemap: true,
      comments: false,
      entryFileNames: '[name].js',
      // Beside the ways in: files that are found by `import.meta.url` are found from any of them.
      chunkFileNames: 'shared-[name].js',
    },
  })
  const written = new Set(output.map(({ fileName }) => fileName))
  for (const file of readdirSync(OUT, { recursive: true, encoding: 'utf8' })) {
    if (/\.js(\.map)?$/.test(file) && !written.has(file)) rmSync(join(OUT, file))
  }
}

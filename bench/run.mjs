// @ts-check

// Runs the benches of this folder one after the other, each in a process of its own; those named on the command
// line, or all. Build with `npm run build` first, and keep the machine quiet.

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const shared = ['run.mjs', 'peer.mjs', 'cache-peers.mjs']
const all = readdirSync(import.meta.dirname).filter(
  (file) => file.endsWith('.mjs') && !shared.includes(file),
)
const named = process.argv.slice(2).map((name) => `${name}.mjs`)
const unknown = named.find((file) => !all.includes(file))
if (unknown) {
  console.error(`There is no bench/${unknown}; there are: ${all.join(', ')}`)
  process.exit(2)
}

for (const file of named.length > 0 ? named : all) {
  console.log(`\n== ${file}`)
  const { status } = spawnSync(process.execPath, ['--expose-gc', join(import.meta.dirname, file)], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exitCode = 1
}

// @ts-check
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { workspace } from './support/workspace.mjs'

const script = fileURLToPath(new URL('../scripts/prepare.mjs', import.meta.url))

/** @param {string} path where programs are looked for */
function prepare(path) {
  const env = { ...process.env, PATH: path, Path: path }
  return spawnSync(process.execPath, [script], { env, encoding: 'utf8' })
}

test('a clone without cargo is told in one sentence what it needs and where to get it', async (t) => {
  const { status, stderr } = prepare(await workspace(t))
  assert.equal(status, 1)
  assert.match(
    stderr,
    /^A clone of aiwf-native is built from source with Rust [\d.]+ or newer, but cargo was not found: get it from https:\/\/rustup\.rs [^\n]+\n$/,
  )
})

test('so is one whose cargo is too old', { skip: process.platform === 'win32' }, async (t) => {
  const folder = await workspace(t)
  const cargo = join(folder, 'cargo')
  await writeFile(cargo, '#!/bin/sh\necho "cargo 1.70.0 (abc 2023-06-01)"\n')
  await chmod(cargo, 0o755)
  const { status, stderr } = prepare(folder)
  assert.equal(status, 1)
  assert.match(stderr, /but cargo is 1\.70\.0: get it from https:\/\/rustup\.rs/)
})

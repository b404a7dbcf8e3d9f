// @ts-check
// What sweeps a cache must not keep it alive, and must not spin.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

const LIBRARY = join(import.meta.dirname, '../lib/cache-system.js')

/** @param {string} script */
function run(script) {
  const source = `const { GitHubAPICache } = require(${JSON.stringify(LIBRARY)});${script}`
  return spawnSync(process.execPath, ['--expose-gc', '-e', source], { encoding: 'utf8' })
}

test('a cache that sweeps is collected once nobody holds it', () => {
  const { stdout, stderr } = run(`
    const made = [];
    for (let i = 0; i < 20; i++) made.push(new WeakRef(new GitHubAPICache('unused')));
    setImmediate(() => {
      gc();
      console.log(made.some((cache) => cache.deref() === undefined));
    })`)
  assert.equal(stdout.trim(), 'true', stderr)
})

test('an interval longer than a timer can wait is cut to the longest', () => {
  const { stdout, stderr } = run(`
    process.on('warning', ({ name }) => console.log(name));
    new GitHubAPICache('unused', 1, { sweepInterval: 2 ** 31 });
    setImmediate(() => console.log('done'))`)
  assert.equal(stdout.trim(), 'done', stderr)
})

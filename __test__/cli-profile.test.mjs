// @ts-check
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { workspace } from './support/workspace.mjs'

const command = fileURLToPath(new URL('../bin/aiwf-native.js', import.meta.url))

/** @param {string[]} args */
function run(...args) {
  return spawnSync(process.execPath, [command, 'profile', ...args], { encoding: 'utf8' })
}

test('profiles a program, which keeps its output and its exit code', async (t) => {
  const script = join(await workspace(t), 'app.js')
  // A child and a worker of the program write no report of their own.
  await writeFile(
    script,
    `const held = Buffer.alloc(64 * 1024 * 1024, 1)
    require('node:child_process').spawnSync(process.execPath, ['-e', '0'])
    new (require('node:worker_threads').Worker)('0', { eval: true }).on('exit', () => {
      console.log(process.argv[2], held.length)
      process.exitCode = 7
    })`,
  )
  const json = run('--json', '--', process.execPath, script, 'argument')
  assert.equal(json.status, 7, json.stderr)
  assert.equal(json.stdout, `argument ${64 * 1024 * 1024}\n`)
  const report = JSON.parse(json.stderr)
  assert.ok(report.current.arrayBuffers >= 64 * 1024 * 1024)
  assert.ok(report.statistics.rss.max > 0)
  const text = run('--', process.execPath, script)
  assert.match(text.stderr, /^Peak memory +\d+\.\d MiB$/m)
  assert.match(text.stderr, /^Heap used +.*most$/m)
})

test('writes a page with charts too', async (t) => {
  const folder = await workspace(t)
  const [script, page] = [join(folder, 'app.js'), join(folder, 'page.html')]
  await writeFile(script, 'setTimeout(() => process.exit(3), 500)')
  const found = run('--html', page, '--', process.execPath, script)
  assert.equal(found.status, 3, found.stderr)
  assert.match(found.stderr, /Peak memory/)
  assert.match(await readFile(page, 'utf8'), /<polyline/)
  const nowhere = run('--html', join(script, 'page.html'), '--', process.execPath, '-e', '0')
  assert.equal(nowhere.status, 1)
  assert.match(nowhere.stderr, /ENOTDIR/)
})

const noSignals = process.platform === 'win32' && 'Windows has no signals'

test('outlives a signal, which the program gets, and then reports', {
  skip: noSignals,
}, async (t) => {
  const folder = await workspace(t)
  const [script, temporary] = [join(folder, 'app.js'), join(folder, 'tmp')]
  await mkdir(temporary)
  await writeFile(
    script,
    `for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, () => {
        console.log(signal)
        process.exit(5)
      })
    }
    setInterval(() => {}, 1000)
    console.log('ready')`,
  )
  const args = [command, 'profile', '--', process.execPath, script]
  const env = { ...process.env, TMPDIR: temporary }
  // A terminal interrupts the whole group.
  for (const [signal, toGroup] of /** @type {const} */ ([
    ['SIGINT', true],
    ['SIGINT', false],
    ['SIGTERM', false],
    ['SIGHUP', false],
  ])) {
    const child = spawn(process.execPath, args, { env, detached: true })
    const group = -(child.pid ?? assert.fail())
    t.after(() => child.exitCode ?? process.kill(group, 'SIGKILL'))
    const closed = once(child, 'close')
    let [output, told] = ['', '']
    child.stderr.on('data', (text) => (told += text))
    while (!output.includes('ready\n')) output += (await once(child.stdout, 'data'))[0]
    child.stdout.on('data', (text) => (output += text))
    process.kill(toGroup ? group : -group, signal)
    assert.deepEqual(await closed, [5, null], told)
    assert.equal(output, `ready\n${signal}\n`)
    assert.match(told, /^Peak memory/m)
    assert.deepEqual(await readdir(temporary), [])
  }
})

test('says what is wrong with a call', () => {
  for (const args of [[], ['--'], ['app.js'], ['--colour', '--', 'node']]) {
    assert.equal(run(...args).status, 2, args.join(' '))
  }
  const missing = run('--', 'there-is-no-such-program')
  assert.equal(missing.status, 1)
  assert.match(missing.stderr, /ENOENT/)
  const nowhere = join(command, 'tmp')
  const variables = { ...process.env, TMPDIR: nowhere, TEMP: nowhere }
  const args = [command, 'profile', '--', process.execPath, '-e', '0']
  const unwritable = spawnSync(process.execPath, args, { env: variables, encoding: 'utf8' })
  assert.equal(unwritable.status, 1)
  assert.match(unwritable.stderr, /^aiwf-native: .*; TMPDIR may name another folder$/m)
  const help = run('--help')
  assert.equal(help.status, 0)
  assert.match(help.stdout, /Usage: aiwf-native profile/)
})

// @ts-check
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { commands } from '../lib/cli/main.js'

const command = fileURLToPath(new URL('../bin/aiwf-native.js', import.meta.url))
const { version } = createRequire(import.meta.url)('../package.json')

/** @param {string[]} args */
function run(...args) {
  return spawnSync(process.execPath, [command, ...args], { encoding: 'utf8' })
}

describe('every command', () => {
  for (const name of Object.keys(commands)) {
    test(`${name} is listed, has a help of its own and refuses what it does not know`, () => {
      assert.match(run('--help').stdout, new RegExp(`^  ${name}\\b`, 'm'))
      const { status, stdout, stderr } = run(name, '--help')
      assert.deepEqual([status, stderr], [0, ''])
      assert.match(stdout, new RegExp(`^Usage: aiwf-native ${name}`))
      for (const part of [/--json/, /--help/, /^Exit code/m]) assert.match(stdout, part)
      const wrong = run(name, '--no-such-option')
      assert.deepEqual([wrong.status, wrong.stdout], [2, ''])
      assert.match(wrong.stderr, new RegExp(`aiwf-native ${name}: .*no-such-option`))
    })
  }
})

test('the command itself has a version, a help, and exit codes', () => {
  assert.equal(run('--version').stdout, `${version}\n`)
  assert.equal(run('-h').status, 0)
  assert.equal(run().status, 2)
  const unknown = run('brew')
  assert.equal(unknown.status, 2)
  assert.match(unknown.stderr, /there is no command 'brew'[\s\S]*Usage/)
})

test('without a home folder the commands that need a cache say how to name one', {
  skip: process.platform === 'win32' && 'Windows knows the home of every user',
}, () => {
  const env = { ...process.env, HOME: '', XDG_CACHE_HOME: 'relative' }
  for (const args of [
    ['cache', 'stats'],
    ['dashboard'],
    ['doctor'],
    ['install', 'o/r', '--base-url', 'http://127.0.0.1:1', '--cache-dir', ''],
  ]) {
    const options = { env, encoding: /** @type {const} */ ('utf8') }
    const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args], options)
    assert.equal(status, 1, args.join(' '))
    assert.match(stdout + stderr, /no home folder.*--cache-dir/)
    assert.doesNotMatch(stderr, /^ {4}at /m)
  }
})

test('a binary that cannot be loaded is told without a stack', () => {
  const env = { ...process.env, AIWF_NATIVE_LIBRARY_PATH: `${command}.none` }
  const args = [command, 'install', 'o/r']
  const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  assert.equal(status, 1)
  assert.match(stderr, /^aiwf-native: Could not load the native part/)
  assert.doesNotMatch(stderr, /^ {4}at /m)
})

describe('colours', () => {
  const COLOUR = '\x1b['
  const withoutScript = existsSync('/usr/bin/script')
    ? false
    : 'there is no `script` for a terminal'

  /** @param {NodeJS.ProcessEnv} variables */
  function environment(variables) {
    const { FORCE_COLOR: _, NO_COLOR: __, ...rest } = process.env
    return { ...rest, TERM: 'xterm', ...variables }
  }

  /** Whose failed requests are shown in red. */
  const load = 'load http://127.0.0.1:1 -n 1 -c 1'

  /** @param {NodeJS.ProcessEnv} variables @param {string} [words] */
  function piped(variables, words = 'doctor') {
    const options = { encoding: /** @type {const} */ ('utf8'), env: environment(variables) }
    return spawnSync(process.execPath, [command, ...words.split(' ')], options).stdout
  }

  /** On a terminal. @param {NodeJS.ProcessEnv} variables @param {string} [words] */
  function onTerminal(variables, words = 'doctor') {
    const line = `'${process.execPath}' '${command}' ${words} 2>/dev/null`
    const options = { encoding: /** @type {const} */ ('utf8'), env: environment(variables) }
    return spawnSync('script', ['-qec', line, '/dev/null'], options).stdout
  }

  test('are for terminals only, unless they are forced', () => {
    assert.ok(!piped({}).includes(COLOUR))
    assert.ok(piped({ FORCE_COLOR: '1' }).includes(COLOUR))
    assert.ok(!piped({ FORCE_COLOR: '0' }).includes(COLOUR))
    assert.ok(!piped({ NO_COLOR: '1' }).includes(COLOUR))
    assert.ok(piped({ FORCE_COLOR: '1' }, load).includes(`${COLOUR}31mFailed`))
  })

  test('are on a terminal, unless NO_COLOR or the terminal says no', {
    skip: withoutScript,
  }, () => {
    assert.ok(onTerminal({}).includes(`${COLOUR}32mok  `))
    assert.ok(onTerminal({ NO_COLOR: '' }).includes(COLOUR))
    assert.ok(!onTerminal({ NO_COLOR: '1' }).includes(COLOUR))
    assert.ok(!onTerminal({ FORCE_COLOR: '0' }).includes(COLOUR))
    assert.ok(!onTerminal({ TERM: 'dumb' }).includes(COLOUR))
    assert.ok(onTerminal({}, load).includes(`${COLOUR}31mFailed`))
    assert.ok(!onTerminal({ TERM: 'dumb' }, load).includes(COLOUR))
  })
})

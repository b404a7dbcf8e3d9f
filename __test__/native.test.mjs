// @ts-check
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { load } from '../lib/internal/load.js'
import { currentHost, platformName, platforms } from '../lib/internal/platform.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const manifest = createRequire(import.meta.url)('../package.json')
const platform = platformName(currentHost())

test('names platforms as the build does', () => {
  assert.deepEqual(
    [
      platformName({ platform: 'linux', arch: 'x64', libc: 'glibc' }),
      platformName({ platform: 'linux', arch: 'arm64', libc: 'musl' }),
      platformName({ platform: 'darwin', arch: 'arm64' }),
      platformName({ platform: 'win32', arch: 'x64' }),
      platformName({ platform: 'freebsd', arch: 'x64' }),
    ],
    ['linux-x64-gnu', 'linux-arm64-musl', 'darwin-arm64', 'win32-x64-msvc', 'freebsd-x64'],
  )
})

test('every build target has a committed package of the same version', () => {
  const packages = platforms.map((name) =>
    createRequire(import.meta.url)(`../npm/${name}/package.json`),
  )
  assert.deepEqual(
    packages.map(({ name, version, main }) => ({ name, version, main })),
    platforms.map((name) => ({
      name: `${manifest.name}-${name}`,
      version: manifest.version,
      main: `${manifest.name}.${name}.node`,
    })),
  )
  assert.equal(manifest.napi.targets.length, platforms.length)
})

describe('the error when nothing loads', () => {
  const missing = Object.assign(new Error("Cannot find module 'x'"), { code: 'MODULE_NOT_FOUND' })
  const tooNew = Object.assign(
    new Error("/lib/libc.so.6: version `GLIBC_2.38' not found (required by x.node)"),
    { code: 'ERR_DLOPEN_FAILED' },
  )
  const addonsOff = Object.assign(new Error('Cannot load native addon'), {
    code: 'ERR_DLOPEN_DISABLED',
  })
  const situation = {
    host: /** @type {const} */ ({ platform: 'linux', arch: 'x64', libc: 'glibc' }),
    manifest,
    nodeVersion: '22.0.0',
    clone: false,
  }

  /**
   * @param {(Error & { code?: string })[]} failures
   * @param {Partial<Parameters<typeof load>[1] extends () => infer S ? S : never>} [differences]
   * @returns {any}
   */
  function failWith(failures, differences) {
    const candidates = failures.map((failure) => () => {
      throw failure
    })
    try {
      load(candidates, () => ({ ...situation, ...differences }))
    } catch (error) {
      return error
    }
    assert.fail('it loaded')
  }

  test('gives the commands that install the binary', () => {
    const error = failWith([missing, missing])
    assert.equal(error.code, 'ERR_AIWF_NATIVE_NOT_FOUND')
    assert.deepEqual(error.cause.errors, [missing, missing])
    assert.equal(
      error.message,
      [
        `Could not load the native part of aiwf-native ${manifest.version} on linux-x64-gnu with Node.js 22.0.0`,
        'Possible solutions:',
        '- Ensure that optional dependencies are installed:',
        '    npm install --include=optional aiwf-native',
        '- Install for this very platform, if node_modules came from another one:',
        '    npm install --os=linux --cpu=x64 --libc=glibc aiwf-native',
        '- Consult the documentation:',
        `    ${manifest.homepage}`,
      ].join('\n'),
    )
  })

  test('leaves --libc out where there is no choice', () => {
    const { message } = failWith([missing], { host: { platform: 'darwin', arch: 'arm64' } })
    assert.match(message, /^ {4}npm install --os=darwin --cpu=arm64 aiwf-native$/m)
  })

  test('says in a clone how to build', () => {
    const { message } = failWith([missing], { clone: true })
    assert.match(message, /^ {4}npm run build$/m)
    assert.doesNotMatch(message, /npm install/)
  })

  test('names the platforms there are on one that is not among them', () => {
    const { code, message } = failWith([missing], { host: { platform: 'freebsd', arch: 'x64' } })
    assert.equal(code, 'ERR_AIWF_NATIVE_UNSUPPORTED_PLATFORM')
    assert.match(message, /on freebsd-x64 .*win32-arm64-msvc.*AIWF_NATIVE_LIBRARY_PATH/s)
  })

  test('tells why a binary that is there does not load', () => {
    const { code, message } = failWith([tooNew, missing], { glibc: '2.31' })
    assert.equal(code, 'ERR_AIWF_NATIVE_LOAD_FAILED')
    assert.ok(message.includes(`\nERR_DLOPEN_FAILED: ${tooNew.message}\n`))
    assert.match(message, /^- Upgrade the operating system: found glibc 2.31, requires 2.38$/m)
    assert.match(failWith([addonsOff]).message, /^- Run Node.js without --no-addons$/m)
  })

  test('knows a Node.js that is too old', () => {
    const { message } = failWith([missing], { nodeVersion: '18.20.4' })
    assert.match(message, /^- Upgrade Node.js: found 18.20.4, requires >=20$/m)
    assert.doesNotMatch(failWith([missing]).message, /Upgrade/)
  })
})

describe('a real process', () => {
  /** @param {import('node:test').TestContext} context */
  function installation(context) {
    const folder = mkdtempSync(join(tmpdir(), 'aiwf-native-'))
    context.after(() => rmSync(folder, { recursive: true, force: true }))
    cpSync(join(root, 'lib'), join(folder, 'lib'), { recursive: true })
    copyFileSync(join(root, 'package.json'), join(folder, 'package.json'))
    return folder
  }

  /**
   * @param {string} folder
   * @param {string} version
   */
  function addPlatformPackage(folder, version) {
    const name = `${manifest.name}-${platform}`
    const main = `${manifest.name}.${platform}.node`
    const home = join(folder, 'node_modules', name)
    mkdirSync(home, { recursive: true })
    writeFileSync(join(home, 'package.json'), JSON.stringify({ name, version, main }))
    copyFileSync(join(root, main), join(home, main))
  }

  const report =
    "import('./lib/index.js').then(() => ({}), ({ code, message }) => ({ code, message }))" +
    '.then((outcome) => console.log(JSON.stringify(outcome)))'

  /**
   * @param {string} folder
   * @param {NodeJS.ProcessEnv} [env]
   */
  function importIn(folder, env) {
    const options = { cwd: folder, encoding: /** @type {const} */ ('utf8') }
    const output = execFileSync(process.execPath, ['-e', report], {
      ...options,
      env: { ...process.env, AIWF_NATIVE_LIBRARY_PATH: '', ...env },
    })
    return JSON.parse(output)
  }

  test('without a binary says so', (context) => {
    const { code, message } = importIn(installation(context))
    assert.equal(code, 'ERR_AIWF_NATIVE_NOT_FOUND')
    assert.match(message, new RegExp(`on ${platform} with Node.js ${process.versions.node}\n`))
    assert.match(message, /npm install --include=optional aiwf-native/)
  })

  test('with a broken binary shows what the system said', (context) => {
    const folder = installation(context)
    writeFileSync(join(folder, `${manifest.name}.${platform}.node`), 'no library')
    const { code, message } = importIn(folder)
    assert.equal(code, 'ERR_AIWF_NATIVE_LOAD_FAILED')
    assert.match(message, /^ERR_DLOPEN_FAILED: ./m)
  })

  test('loads its platform package, of its own version only', (context) => {
    const folder = installation(context)
    addPlatformPackage(folder, manifest.version)
    assert.deepEqual(importIn(folder), {})
    addPlatformPackage(folder, '99.0.0')
    const { code, message } = importIn(folder)
    assert.equal(code, 'ERR_AIWF_NATIVE_VERSION_MISMATCH')
    assert.ok(message.includes(`has version 99.0.0, aiwf-native has ${manifest.version}`))
  })

  test('loads the file that the environment names, and no other', (context) => {
    const folder = installation(context)
    const library = join(root, `${manifest.name}.${platform}.node`)
    assert.deepEqual(importIn(folder, { AIWF_NATIVE_LIBRARY_PATH: library }), {})
    addPlatformPackage(folder, manifest.version)
    const { code, message } = importIn(folder, { AIWF_NATIVE_LIBRARY_PATH: './absent.node' })
    assert.equal(code, 'ERR_AIWF_NATIVE_NOT_FOUND')
    assert.match(message, /AIWF_NATIVE_LIBRARY_PATH.*\n {4}\.\/absent\.node$/m)
  })
})

// @ts-check
'use strict'

const HELP = `Usage: aiwf-native <command>

Commands:
  install <owner/repo> [path] [dest]   mirror a folder of a GitHub repository to disk
  cache <stats|verify|clean|clear>     look after the cache
  profile -- node <script>             profile the memory of a Node program
  dashboard [-- <program>]             show live what a program does, on a page in the browser
  bench <suite.js> ...                 run benchmark suites, compare them with a baseline
  load <url>                           put load on a server
  doctor                               show what machine, Node, binary, limits and cache look like

Options:
  -h, --help      show this help, or that of a command
  -v, --version   show the version
`

/**
 * Each is loaded when it is called.
 *
 * @type {Record<string, () => (args: string[]) => Promise<number>>}
 */
const commands = {
  install: () => require('./install.js').install,
  cache: () => require('./cache.js').cache,
  profile: () => require('./profile.js').profile,
  dashboard: () => require('./dashboard.js').dashboard,
  bench: () => require('./bench.js').bench,
  load: () => require('./load.js').load,
  doctor: () => require('./doctor.js').doctor,
}

/**
 * Runs one command line.
 *
 * @param {string[]} args without node and the script
 * @returns {Promise<number>} the exit code: 0 done, 1 failed, 2 called wrongly
 */
async function main(args) {
  const [name, ...rest] = args
  if (name === '--version' || name === '-v') {
    console.log(require('../../package.json').version)
    return 0
  }
  if (name === '--help' || name === '-h') {
    console.log(HELP)
    return 0
  }
  const command = Object.hasOwn(commands, name ?? '') ? commands[name] : undefined
  if (!command) {
    console.error(name ? `aiwf-native: there is no command '${name}'\n` : '', HELP)
    return 2
  }
  return command()(rest)
}

module.exports = { main, commands }

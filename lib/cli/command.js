// @ts-check
'use strict'

/**
 * A command from its words to its exit code.
 *
 * @template C
 * @param {string} name
 * @param {object} command
 * @param {string} command.help
 * @param {() => C | undefined} command.parse what is asked for, or nothing for the help; throws if the words are wrong
 * @param {(call: C) => number | Promise<number>} command.run the exit code; may fail
 * @param {(error: any) => boolean} [command.isMisuse] whether a failure says that the words were wrong
 * @param {(error: any) => string} [command.explain] a failure
 * @returns {Promise<number>} the exit code: 1 failed, 2 called wrongly
 */
async function runCommand(
  name,
  { help, parse, run, isMisuse = () => false, explain = ({ message }) => message },
) {
  const misused = (/** @type {any} */ { message }) => {
    console.error(`aiwf-native ${name}: ${message}\n\n${help}`)
    return 2
  }
  let call
  try {
    call = parse()
  } catch (error) {
    return misused(error)
  }
  if (call === undefined) {
    console.log(help)
    return 0
  }
  try {
    return await run(call)
  } catch (error) {
    if (isMisuse(error)) return misused(error)
    console.error(`aiwf-native: ${explain(error)}`)
    return 1
  }
}

/** Much of a call is only checked when the work begins. @param {{ code?: string }} error */
function isWrongArgument({ code = '' }) {
  return code.startsWith('ERR_INVALID') || code === 'ERR_OUT_OF_RANGE'
}

module.exports = { runCommand, isWrongArgument }

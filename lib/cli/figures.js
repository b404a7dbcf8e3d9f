// @ts-check
'use strict'

// Figures of benchmarks as people read them in a terminal.

const { bytes } = require('./summary.js')

/** @param {number} value milliseconds */
function time(value) {
  const size = Math.abs(value)
  if (size >= 1000) return `${(value / 1000).toFixed(2)} s`
  if (size >= 1 || size === 0) return `${value.toFixed(2)} ms`
  if (size >= 1e-3) return `${(value * 1e3).toFixed(2)} µs`
  return `${(value * 1e6).toFixed(2)} ns`
}

/** @param {number} value a second */
function rate(value) {
  return `${value.toFixed(value < 100 ? 1 : 0)} /s`
}

/** @param {number} change 0.25 is a quarter more */
function percent(change) {
  return `${change > 0 ? '+' : ''}${(change * 100).toFixed(1)} %`
}

/** @param {number} count of bytes, which may be negative */
function heap(count) {
  const whole = Math.round(count)
  return whole < 0 ? `-${bytes(-whole)}` : bytes(Math.abs(whole))
}

/**
 * Rows of text in columns; the first column is flush left, the others right.
 *
 * @param {string[][]} rows
 */
function columns(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => [...row[column]].length)))
  return rows
    .map((row) =>
      row
        .map((text, column) => {
          const padding = ' '.repeat(widths[column] - [...text].length)
          return column === 0 ? text + padding : padding + text
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

module.exports = { time, rate, percent, heap, columns }

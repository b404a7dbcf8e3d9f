'use strict'

module.exports = {
  ...require('./cache-system.js'),
}

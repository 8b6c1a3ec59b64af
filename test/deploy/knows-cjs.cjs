// Lambda's loader finds a handler in a .cjs file; the emulator's asks require(), which looks for .js alone.
require.extensions['.cjs'] = require.extensions['.js'];

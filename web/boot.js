// The theme comes first, so that a reload does not flash the other one.
try { const theme = localStorage.getItem('jobflow-theme'); if (theme) document.documentElement.dataset.theme = theme } catch { /* storage is refused */ }
const crashed = () => { document.getElementById('crash').hidden = false }
import('./app.js').then(({ default: init }) => init({ module_or_path: new URL('./app_bg.wasm', import.meta.url) })).catch(crashed)

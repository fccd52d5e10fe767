// Part of gmlib (MIT). The licences of what is bundled here are in LICENSES.txt.
function o(e,r){let n=new IntersectionObserver(t=>{t.at(-1).isIntersecting&&(n.disconnect(),r())},{rootMargin:"300px"});n.observe(e.root),e.signal.addEventListener("abort",()=>n.disconnect())}export{o as a};

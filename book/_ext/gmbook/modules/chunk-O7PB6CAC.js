// Part of gmlib (MIT). The licences of what is bundled here are in LICENSES.txt.
var s=(t,n,r)=>t*r-n*n;function a(t,n,r){let e=s(t,n,r);return[r/e,-n/e,t/e]}function c(t,n,r){let e=Math.sqrt(t),o=n/e;return[e,o,Math.sqrt(r-o*o)]}function h(t,n,r){let e=(t+r)/2,o=Math.hypot((t-r)/2,n);return{large:Math.sqrt(e+o),small:Math.sqrt(e-o),angle:Math.atan2(2*n,t-r)/2}}export{s as a,a as b,c,h as d};

(function(){
function octets(t){return Uint8Array.from(atob(t.replace(/-/g,'+').replace(/_/g,'/')),function(c){return c.charCodeAt(0)})}
function text(b){if(b)return btoa(Array.from(new Uint8Array(b),function(o){return String.fromCharCode(o)}).join('')).replace(/\+/g,'-').replace(/\//g,'_').replace(/=/g,'')}
function ids(list){return(list||[]).map(function(c){return Object.assign({},c,{id:octets(c.id)})})}
function json(c){var r=c.response,o={clientDataJSON:text(r.clientDataJSON)};if(r.attestationObject){o.attestationObject=text(r.attestationObject);o.transports=r.getTransports?r.getTransports():[]}else{o.authenticatorData=text(r.authenticatorData);o.signature=text(r.signature);o.userHandle=text(r.userHandle)}return JSON.stringify({id:text(c.rawId),rawId:text(c.rawId),type:c.type,response:o})}
var forms=document.querySelectorAll('form[data-passkey]'),waiting,began=Date.now();
function says(form,what){form.querySelectorAll('[data-says]').forEach(function(p){p.hidden=p.dataset.says!==what})}
function stop(){if(waiting)waiting.abort();waiting=null}
function ask(form,quietly){
stop();
var o=JSON.parse(form.dataset.options),make=form.dataset.passkey==='create',mine=waiting=new AbortController(),asked={publicKey:o,signal:mine.signal};
o.challenge=octets(o.challenge);
if(make){o.user.id=octets(o.user.id);o.excludeCredentials=ids(o.excludeCredentials);var name=form.elements.name,email=form.elements.email;if(name&&name.value){o.user.displayName=name.value;o.user.name=email&&email.value||name.value}}else o.allowCredentials=ids(o.allowCredentials);
if(quietly)asked.mediation='conditional';
navigator.credentials[make?'create':'get'](asked).then(function(c){form.elements.passkey.value=json(c);form.submit()},function(e){if(waiting!==mine)return;waiting=null;if(!quietly){says(form,e.name==='InvalidStateError'?'exists':'cancelled');listen()}})
}
function listen(){
var form=document.querySelector('form[data-passkey=get][data-quietly]');
if(!form||!document.querySelector('input[autocomplete~=webauthn]')||!PublicKeyCredential.isConditionalMediationAvailable)return;
PublicKeyCredential.isConditionalMediationAvailable().then(function(can){if(can&&!waiting)ask(form,true)})
}
function late(form){return form.dataset.again&&Date.now()-began>27e4}
forms.forEach(function(form){
if(!window.PublicKeyCredential){form.querySelector('button').disabled=true;return says(form,'unsupported')}
form.addEventListener('submit',function(e){e.preventDefault();says(form);if(late(form))location.replace(form.dataset.again);else ask(form)})
});
if(!window.PublicKeyCredential)return;
listen();
setTimeout(function(){var form=document.querySelector('[data-quietly]'),typed=[].some.call(document.querySelectorAll('input:not([type=hidden])'),function(i){return i.value!==i.defaultValue});if(form&&late(form)&&!typed){stop();location.replace(form.dataset.again)}},271e3)
})()